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
        _ create: Etcdserverpb_WatchCreateRequest,
        requests: AsyncStream<Etcdserverpb_WatchRequest>? = nil,
        receive: @escaping @Sendable (Etcdserverpb_WatchResponse) async throws -> Void
    ) async throws(ClientError) {
        try await watch(
            create,
            progress: WatchProgress(startRevision: create.startRevision),
            requests: requests,
            receive: receive
        )
    }

    func watch(
        _ create: Etcdserverpb_WatchCreateRequest,
        progress: WatchProgress,
        requests: AsyncStream<Etcdserverpb_WatchRequest>? = nil,
        receive: @escaping @Sendable (Etcdserverpb_WatchResponse) async throws -> Void
    ) async throws(ClientError) {
        let renewed = Answer<Bool>()
        while true {
            do throws(ClientError) {
                try await stream(
                    .watch,
                    send: { writer in
                        var request = create
                        request.startRevision = progress.beginStream()
                        try await writer.write(.with { $0.createRequest = request })
                        if let requests {
                            for await request in requests { try await writer.write(request) }
                        }
                        while true { try await Task.sleep(for: .seconds(3600)) }
                    },
                    receive: { response in
                        if response.canceled {
                            let failure = Client.failure(of: response)
                            // A token that ended is no end of the watch.
                            if !(failure.mayRefuseToken && self.canRenewToken && renewed.value != true) {
                                try await receive(response)
                            }
                            throw failure
                        }
                        renewed.value = false
                        let fresh = progress.saw(response)
                        let isOnlyRepetition = fresh.events.isEmpty && !response.events.isEmpty
                        if !response.created, !isOnlyRepetition { try await receive(fresh) }
                    }
                )
                if Task.isCancelled { throw ClientError(code: .cancelled, message: "context canceled") }
            } catch {
                if Task.isCancelled { throw error }
                if error.mayRefuseToken, canRenewToken, renewed.value != true {
                    renewed.value = true
                    forgetToken(state.withLock { $0.token })
                } else if !error.isTransient {
                    throw error
                }
            }
            try? await Task.sleep(for: Self.resumePause)
        }
    }

    static func failure(of response: Etcdserverpb_WatchResponse) -> ClientError {
        if response.compactRevision != 0 {
            var error = ClientError(
                code: .outOfRange,
                message: "etcdserver: mvcc: required revision has been compacted",
                stage: .answered
            )
            error.compactRevision = response.compactRevision
            return error
        }
        let reason = response.cancelReason
        return ClientError(
            code: .cancelled,
            message: reason.isEmpty ? "etcdserver: mvcc: required revision is a future revision" : reason,
            stage: .answered
        )
    }
}
