// The watch service's door.

package import Base
import EtcdWire
import Wire

extension FrontLane {
    /// One message of a watch stream; the stream begins with its first.
    package func watch(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        if isLearner { return sink.finish(.notSupportedForLearner) }
        if metadata.token == nil || !member.isAuthEnabled { return take(request, metadata, sink) }
        whenTokenIsKnown(metadata, sink) { [self] in take(request, metadata, sink) }
    }

    private func take(_ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        do throws(EtcdError) {
            let message = try decode(ofStream: true) { () throws(WireError) in try WatchRequest(decoding: request) }
            watches.received(message, metadata, sink)
        } catch {
            sink.finish(error)
        }
    }
}
