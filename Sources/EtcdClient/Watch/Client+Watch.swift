// A watch that outlives its connections: each time a stream breaks, the next one starts at the revision after the last
// event that was delivered, so that no event is lost and none comes twice.

package import EtcdWire
import SwiftProtobuf
import Synchronization

extension Client {
    /// How long to wait between two streams of one watch.
    private static let resumePause = Duration.milliseconds(100)

    /// Watches until the server ends it, `receive` throws, or the task is cancelled.
    /// - Parameter requests: further requests on the same stream, such as for progress.
    /// - Throws: ``ClientError``; with `compactRevision` if the start is compacted.
    package func watch(
        _ create: Etcdserverpb_WatchCreateRequest, requests: AsyncStream<Etcdserverpb_WatchRequest>? = nil,
        receive: @escaping @Sendable (Etcdserverpb_WatchResponse) async throws -> Void
    ) async throws(ClientError) {
        let next = Mutex(create.startRevision)
        let pass = WatchPass(next: next)
        while true {
            do throws(ClientError) {
                try await stream(
                    .watch,
                    send: { writer in
                        var request = create
                        request.startRevision = pass.revision
                        try await writer.write(.with { $0.createRequest = request })
                        if let requests {
                            for await request in requests { try await writer.write(request) }
                        }
                        while true { try await Task.sleep(for: .seconds(3600)) }
                    },
                    receive: { response in
                        if response.canceled {
                            try await receive(response)
                            throw Client.failure(of: response)
                        }
                        pass.saw(response)
                        if !response.created { try await receive(response) }
                    })
                if Task.isCancelled { throw ClientError(code: .cancelled, message: "context canceled") }
            } catch {
                guard error.code == .unavailable, !Task.isCancelled else { throw error }
            }
            try? await Task.sleep(for: Self.resumePause)
        }
    }

    static func failure(of response: Etcdserverpb_WatchResponse) -> ClientError {
        if response.compactRevision != 0 {
            var error = ClientError(
                code: .outOfRange, message: "etcdserver: mvcc: required revision has been compacted", stage: .answered)
            error.compactRevision = response.compactRevision
            return error
        }
        let reason = response.cancelReason
        return ClientError(
            code: .cancelled, message: reason.isEmpty ? "etcdserver: mvcc: required revision is a future revision" : reason,
            stage: .answered)
    }
}

/// Where a watch has come to.
private final class WatchPass: Sendable {
    private let next: Mutex<Int64>

    init(next: consuming Mutex<Int64>) { self.next = next }

    var revision: Int64 { next.withLock { $0 } }

    func saw(_ response: Etcdserverpb_WatchResponse) {
        next.withLock { next in
            if let last = response.events.last {
                // A fragment's later parts have the same revision: it counts as seen with its last part.
                if !response.fragment { next = last.kv.modRevision + 1 }
            } else if response.header.revision > 0, !response.created || next == 0 {
                next = max(next, response.header.revision + 1)
            }
        }
    }
}
