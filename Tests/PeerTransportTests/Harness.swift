// Two transports (or one and a hand-driven client) on loopback, on one event loop, with delegates that remember.

import Base
import NIOCore
import NIOHTTP1
import NIOPosix
import RaftWire
import Synchronization

@testable import PeerTransport

/// A sink that keeps the bytes; on the loop.
final class MemorySink: SnapshotSink {
    let loop: any EventLoop
    var bytes: [UInt8] = []
    var isFinished = false
    var isCancelled = false
    /// Writes stay unanswered while this is set.
    var held: [EventLoopPromise<Void>]?

    init(_ loop: any EventLoop) { self.loop = loop }

    func write(_ bytes: ByteBuffer) -> EventLoopFuture<Void> {
        self.bytes.append(contentsOf: bytes.readableBytesView)
        guard held != nil else { return loop.makeSucceededVoidFuture() }
        let promise = loop.makePromise(of: Void.self)
        held?.append(promise)
        return promise.futureResult
    }

    func release() {
        let promises = held ?? []
        held = nil
        for promise in promises { promise.succeed() }
    }

    func finish() -> EventLoopFuture<Void> {
        isFinished = true
        return loop.makeSucceededVoidFuture()
    }

    func cancel() { isCancelled = true }
}

/// A database of `size` bytes that can be told from others.
final class PatternSource: SnapshotSource {
    let loop: any EventLoop
    let sizeBytes: UInt64
    /// Bytes that really come.
    var available: UInt64
    private var position: UInt64 = 0
    var isClosed = false

    init(_ loop: any EventLoop, announced: UInt64, available: UInt64) {
        self.loop = loop
        sizeBytes = announced
        self.available = available
    }

    static func byte(_ position: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: position &* 31 ^ (position >> 8)) }

    func next(bytesMax: Int) -> EventLoopFuture<ByteBuffer?> {
        let count = min(UInt64(bytesMax), available - position)
        guard count > 0 else { return loop.makeSucceededFuture(nil) }
        let piece = (position..<position + count).map(Self.byte)
        position += count
        return loop.makeSucceededFuture(ByteBuffer(bytes: piece))
    }

    func close() { isClosed = true }
}

final class Recorder: PeerTransportDelegate {
    let loop: any EventLoop
    var received: [Message] = []
    var batches: [Int] = []
    var unreachable: [MemberID] = []
    var snapshots: [(MemberID, Bool)] = []
    var removed: Set<MemberID> = []
    var localRemovals = 0
    var lines: [PeerLogLine] = []
    var sinks: [MemorySink] = []
    var sinkFailure: (any Error)?
    var holdsSinks = false
    private var waiters: [(condition: (Recorder) -> Bool, promise: EventLoopPromise<Void>)] = []

    init(_ loop: any EventLoop) { self.loop = loop }

    /// What this member says to what it hears.
    var answer: ((Message) -> Message?)?
    var send: (([Message]) -> Void)?

    func receive(_ messages: [Message]) {
        received += messages
        batches.append(messages.count)
        if let answer { send?(messages.compactMap(answer)) }
        changed()
    }

    func reportUnreachable(_ id: MemberID) {
        unreachable.append(id)
        changed()
    }

    func reportSnapshot(_ id: MemberID, succeeded: Bool) {
        snapshots.append((id, succeeded))
        changed()
    }

    func isRemoved(_ id: MemberID) -> Bool { removed.contains(id) }

    func localMemberWasRemoved() {
        localRemovals += 1
        changed()
    }

    func openSnapshotSink(for message: Message) throws -> any SnapshotSink {
        if let sinkFailure { throw sinkFailure }
        let sink = MemorySink(loop)
        if holdsSinks { sink.held = [] }
        sinks.append(sink)
        return sink
    }

    func handle(_ request: PeerRequest, reply: PeerReply) {
        switch request.path {
        case "/echo":
            reply(.text(200, "\(request.method) \(request.query) \(request.headers.first(name: "X-Test") ?? "") \(request.body)"))
        case "/silence": silent.append(reply)
        default: reply(.notFound)
        }
    }

    var silent: [PeerReply] = []

    func log(_ line: PeerLogLine) {
        lines.append(line)
        changed()
    }

    func observe(_ measurement: PeerMeasurement) {}

    func has(_ message: String) -> Bool { lines.contains { $0.message == message } }
    func count(_ message: String) -> Int { lines.count { $0.message == message } }

    /// Fulfilled as soon as the condition holds.
    func when(_ condition: @escaping (Recorder) -> Bool) -> EventLoopFuture<Void> {
        if condition(self) { return loop.makeSucceededVoidFuture() }
        let promise = loop.makePromise(of: Void.self)
        waiters.append((condition, promise))
        return promise.futureResult
    }

    private func changed() {
        let met = waiters.filter { $0.condition(self) }
        guard !met.isEmpty else { return }
        waiters.removeAll { $0.condition(self) }
        for waiter in met { waiter.promise.succeed() }
    }
}

/// A member: a transport that listens.
final class TestMember {
    let id: MemberID
    let recorder: Recorder
    let transport: PeerTransport
    private(set) var listener: (any Channel)?
    let port: Int
    var url: String { "http://127.0.0.1:\(port)" }

    /// On the loop.
    static func start(
        _ id: MemberID, _ loop: any EventLoop, cluster: ClusterID = 0x77, port: Int = 0,
        _ change: @escaping (inout PeerTransportSettings) -> Void = { _ in }
    ) -> EventLoopFuture<NIOLoopBound<TestMember>> {
        let recorder = Recorder(loop)
        // The port is known only after binding: the initializer finds the transport here.
        let box = NIOLoopBoundBox<PeerTransport?>(nil, eventLoop: loop)
        return ServerBootstrap(group: loop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try box.value?.initialize(channel) }
            }
            .bind(host: "127.0.0.1", port: port)
            .assumeIsolated()
            .map { listener in
                let port = listener.localAddress?.port ?? 0
                var settings = PeerTransportSettings(localID: id, clusterID: cluster, peerURLs: ["http://127.0.0.1:\(port)"])
                settings.retryInterval = .milliseconds(20)
                change(&settings)
                let transport = PeerTransport(settings, eventLoop: loop, delegate: recorder)
                box.value = transport
                recorder.send = { [weak transport] in transport?.send($0) }
                return NIOLoopBound(TestMember(id, recorder, transport, listener, port), eventLoop: loop)
            }
            .nonisolated()
    }

    private init(_ id: MemberID, _ recorder: Recorder, _ transport: PeerTransport, _ listener: any Channel, _ port: Int) {
        self.id = id
        self.recorder = recorder
        self.transport = transport
        self.listener = listener
        self.port = port
    }

    func stop() -> EventLoopFuture<Void> {
        transport.stop()
        guard let listener else { return recorder.loop.makeSucceededVoidFuture() }
        self.listener = nil
        return listener.close()
    }
}

/// Steps of a test, all on one loop; the test itself waits outside, for at most a while.
struct TestLoop {
    let loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()

    struct TimedOut: Error {}

    /// Runs `body` on the loop and waits for its value.
    func run<T: Sendable>(_ body: @escaping @Sendable (any EventLoop) throws -> T) async throws -> T {
        let loop = loop
        return try await loop.submit { try body(loop) }.get()
    }

    /// Runs `body` on the loop and waits for what it promises.
    func wait<T: Sendable>(_ body: @escaping @Sendable (any EventLoop) throws -> EventLoopFuture<T>) async throws -> T {
        let loop = loop
        let promise = loop.makePromise(of: T.self)
        let timer = loop.scheduleTask(in: .seconds(30)) { promise.fail(TimedOut()) }
        loop.execute {
            do { try body(loop).cascade(to: promise) } catch { promise.fail(error) }
        }
        defer { timer.cancel() }
        return try await promise.futureResult.get()
    }

    func member(
        _ id: MemberID, cluster: ClusterID = 0x77, port: Int = 0,
        _ change: @escaping @Sendable (inout PeerTransportSettings) -> Void = { _ in }
    ) async throws -> NIOLoopBound<TestMember> {
        try await wait { TestMember.start(id, $0, cluster: cluster, port: port, change) }
    }

    func wait(_ member: NIOLoopBound<TestMember>, _ condition: @escaping @Sendable (Recorder) -> Bool) async throws {
        try await wait { _ in member.value.recorder.when(condition) }
    }

    /// Waits for what nobody announces.
    func until(_ condition: @escaping @Sendable (any EventLoop) -> Bool) async throws {
        try await wait { loop in
            let promise = loop.makePromise(of: Void.self)
            let task = loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(5)) { _ in
                if condition(loop) { promise.succeed() }
            }
            promise.futureResult.whenComplete { _ in task.cancel() }
            return promise.futureResult
        }
    }

    /// Two members that know each other, with all four streams open.
    func pair(
        _ change: @escaping @Sendable (inout PeerTransportSettings) -> Void = { _ in }
    ) async throws -> (NIOLoopBound<TestMember>, NIOLoopBound<TestMember>) {
        let a = try await member(1, change)
        let b = try await member(2, change)
        try await run { _ in
            a.value.transport.addPeer(2, urls: [b.value.url])
            b.value.transport.addPeer(1, urls: [a.value.url])
        }
        for member in [a, b] { try await wait(member) { $0.count("established TCP streaming connection with remote peer") >= 4 } }
        return (a, b)
    }

    func stop(_ members: NIOLoopBound<TestMember>...) async throws {
        for member in members { try await wait { _ in member.value.stop() } }
    }
}

/// Sends bytes as they are and collects what comes back until the other side closes, or `enough` holds.
final class RawClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var received: [UInt8] = []
    private let promise: EventLoopPromise<[UInt8]>
    private let enough: @Sendable ([UInt8]) -> Bool

    init(_ promise: EventLoopPromise<[UInt8]>, _ enough: @escaping @Sendable ([UInt8]) -> Bool) {
        self.promise = promise
        self.enough = enough
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        if enough(received) { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { promise.succeed(received) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension TestLoop {
    func raw(
        _ port: Int, _ bytes: [UInt8], thenClose: Bool = false, enough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
    ) async throws -> String {
        let answer = try await wait { loop in
            let promise = loop.makePromise(of: [UInt8].self)
            ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(RawClient(promise, enough))
                    }
                }
                .connect(host: "127.0.0.1", port: port)
                .whenComplete { result in
                    switch result {
                    case .success(let channel):
                        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { _ in
                            if thenClose { channel.close(promise: nil) }
                        }
                    case .failure(let error): promise.fail(error)
                    }
                }
            return promise.futureResult
        }
        return String(decoding: answer, as: UTF8.self)
    }
}
