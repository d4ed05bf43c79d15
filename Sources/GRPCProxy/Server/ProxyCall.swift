// One gRPC call of a client as the proxy's tasks see it: requests come as a sequence, answers go out from any thread.

import Base
import EtcdWire
import HTTP2
import NIOCore

/// A call on its stream. What touches the stream happens on the connection's event loop, in the order it was asked for.
final class ProxyCall: Sendable {
    let rpc: RPC
    /// Fields that are passed on to the members.
    let metadata: [(String, String)]
    /// Nil for none.
    let deadline: NIODeadline?
    /// The client's messages; ends when it sends no more.
    let requests: AsyncStream<Bytes>

    private let incoming: AsyncStream<Bytes>.Continuation
    private let loop: any EventLoop
    private let state: NIOLoopBound<State>

    private final class State {
        var stream: ServerStream?
        var task: Task<Void, Never>?
        /// Somebody waits for room in the stream.
        var waiting: CheckedContinuation<Bool, Never>?

        init(_ stream: ServerStream) { self.stream = stream }
    }

    /// Requests that wait to be taken: more than any client has on its way, few enough to hold.
    private static let requestsMax = 4096
    /// Unsent bytes at which a stream of answers waits.
    private static let highMarkBytes = 1 << 20
    /// Unsent bytes at which a client that doesn't read loses its call.
    private static let queuedBytesMax = 64 << 20

    /// On the loop.
    init(_ rpc: RPC, _ stream: ServerStream, _ loop: any EventLoop) {
        self.rpc = rpc
        self.loop = loop
        deadline = stream.deadline
        metadata = Self.forwarded(stream.head)
        state = NIOLoopBound(State(stream), eventLoop: loop)
        (requests, incoming) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.requestsMax))
    }

    /// What a member should know of the client; connection-level fields are no business of others.
    private static func forwarded(_ head: RequestHead) -> [(String, String)] {
        head.fields.filter { ["token", "authorization", "hasleader", "client-api-version"].contains($0.name) }
            .map { ($0.name, $0.value) }
    }

    /// The name of who asks, as far as permissions go.
    var token: String { metadata.first { $0.0 == "token" || $0.0 == "authorization" }?.1 ?? "" }

    /// The client would rather be told than wait where there is no leader.
    var requiresLeader: Bool { metadata.contains { $0.0 == "hasleader" && $0.1 == "true" } }

    /// Until the client stops waiting; nil for no limit, never less than zero.
    var remaining: Duration? {
        deadline.map { .nanoseconds(max(0, ($0 - .now()).nanoseconds)) }
    }

    // MARK: From the connection, on the loop

    func begin(_ body: @escaping @Sendable (ProxyCall) async -> Void) {
        state.value.task = Task { await body(self) }
    }

    func received(_ message: Bytes) {
        if case .dropped = incoming.yield(message) {
            end(EtcdError(code: .resourceExhausted, message: "etcdserver: too many requests"))
        }
    }

    func clientFinished() { incoming.finish() }

    /// The client has gone, or given up.
    func ended() {
        let state = state.value
        state.stream = nil
        state.task?.cancel()
        state.task = nil
        incoming.finish()
        resumeWaiting(false)
    }

    // MARK: From anywhere

    /// Sends a message; dropped if the client has gone. A client that reads nothing for long loses the call.
    func send(_ message: Bytes) {
        loop.execute { [self] in
            guard let stream = state.value.stream, stream.isOpen else { return }
            stream.send(message)
            if stream.queuedBytes > Self.queuedBytesMax {
                end(EtcdError(code: .unavailable, message: "etcdserver: the client is too slow"))
            }
        }
    }

    /// Sends a message and waits until there is room for the next one.
    /// - Throws: `CancellationError` if the client has gone.
    func sendWaiting(_ message: Bytes) async throws {
        let isOpen = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            loop.execute { [self] in
                guard let stream = state.value.stream, stream.isOpen else {
                    return continuation.resume(returning: false)
                }
                stream.send(message)
                guard stream.queuedBytes > Self.highMarkBytes else { return continuation.resume(returning: true) }
                state.value.waiting = continuation
                stream.whenWritable { [self] in resumeWaiting(true) }
            }
        }
        if !isOpen { throw CancellationError() }
    }

    private func resumeWaiting(_ isOpen: Bool) {
        let waiting = state.value.waiting
        state.value.waiting = nil
        waiting?.resume(returning: isOpen)
    }

    /// Ends the call; nil means success.
    func finish(_ error: EtcdError?) {
        loop.execute { [self] in end(error) }
    }

    /// On the loop.
    private func end(_ error: EtcdError?) {
        guard let stream = state.value.stream else { return }
        stream.finish(status: error?.code.rawValue ?? 0, message: error?.message ?? "")
        stream.context = nil
        ended()
    }
}
