// etcd's lock and election services are clients of its own API: what they run into reaches their callers with its
// message and without its code.

import Base
import EtcdWire

final class PlainErrorSink: ReplySink {
    private let sink: any ReplySink

    init(_ sink: any ReplySink) {
        self.sink = sink
    }

    var isOpen: Bool { sink.isOpen }
    var queuedBytes: Int { sink.queuedBytes }
    func send(_ message: Bytes) { sink.send(message) }
    func whenWritable(_ body: @escaping () -> Void) { sink.whenWritable(body) }
    func whenEnded(_ body: @escaping () -> Void) { sink.whenEnded(body) }

    func finish(_ error: EtcdError?) {
        sink.finish(error.map { EtcdError(code: .unknown, message: $0.message) })
    }
}
