// Snapshots over loopback: whole ones, broken ones, refused ones, and a receiver with a slow disk.

import Base
import NIOCore
import NIOPosix
import RaftWire
import Testing

@testable import PeerTransport

@Suite("Snapshots", .serialized)
struct SnapshotTests {
    private let loop = TestLoop()

    private static let message = Message(
        type: .snapshot, to: 2, from: 1, term: 4,
        snapshot: Snapshot(data: "{\"v2\":true}", metadata: SnapshotMetadata(confState: ConfState(voters: [1, 2]), index: 500, term: 4)))

    private func send(
        _ a: NIOLoopBound<TestMember>, _ size: UInt64, announced: UInt64? = nil
    ) async throws -> NIOLoopBound<PatternSource> {
        try await loop.run { loop in
            let source = PatternSource(loop, announced: announced ?? size, available: size)
            a.value.transport.sendSnapshot(Self.message, source)
            return NIOLoopBound(source, eventLoop: loop)
        }
    }

    @Test("message and database arrive, the message last", arguments: [0, 1, 5_000_000] as [UInt64])
    func whole(size: UInt64) async throws {
        let (a, b) = try await loop.pair()
        let source = try await send(a, size)
        try await loop.wait(a) { !$0.snapshots.isEmpty }
        try await loop.run { _ in
            #expect(a.value.recorder.snapshots.map(\.1) == [true])
            #expect(b.value.recorder.received == [Self.message])
            let sink = b.value.recorder.sinks.first
            #expect(sink?.isFinished == true && sink?.isCancelled == false)
            #expect(sink?.bytes == (0..<size).map(PatternSource.byte))
            #expect(source.value.isClosed)
            #expect(a.value.transport.counters[2]?.snapshotsSent == 1 && a.value.transport.counters[2]?.snapshotsBeingSent == 0)
            #expect(b.value.transport.counters[1]?.snapshotsReceived == 1)
            #expect(b.value.transport.counters[1]?.snapshotsBeingReceived == 0)
        }
        try await loop.stop(a, b)
    }

    @Test("a slow disk makes the sender wait")
    func slowDisk() async throws {
        let (a, b) = try await loop.pair()
        try await loop.run { _ in b.value.recorder.holdsSinks = true }
        let size: UInt64 = 16 << 20
        _ = try await send(a, size)
        // Heartbeats that follow come by another connection, past the snapshot that waits.
        try await loop.wait(b) { $0.has("receiving database snapshot") }
        for round in 1...20 {
            try await loop.run { _ in a.value.transport.send([Message(type: .heartbeat, to: 2, from: 1, term: 4)]) }
            try await loop.wait(b) { $0.received.count >= round }
        }
        try await loop.run { _ in
            let count = b.value.recorder.sinks.first?.bytes.count ?? 0
            #expect(count < 2 << 20, "\(count) bytes wait for the disk")
            b.value.recorder.sinks.first?.release()
        }
        try await loop.wait(a) { !$0.snapshots.isEmpty }
        try await loop.run { _ in
            #expect(a.value.recorder.snapshots.map(\.1) == [true])
            #expect(b.value.recorder.sinks.first?.bytes.count == Int(size))
        }
        try await loop.stop(a, b)
    }

    @Test("a source that ends early, or doesn't, fails the snapshot and leaves nothing", arguments: [999_999, 1_000_001] as [UInt64])
    func wrongSize(size: UInt64) async throws {
        let (a, b) = try await loop.pair()
        let source = try await send(a, size, announced: 1_000_000)
        try await loop.wait(a) { !$0.snapshots.isEmpty }
        try await loop.wait(b) { $0.has("failed to save incoming database snapshot") }
        try await loop.run { _ in
            #expect(a.value.recorder.snapshots.map(\.1) == [false])
            #expect(a.value.recorder.unreachable == [2])
            #expect(source.value.isClosed)
            #expect(b.value.recorder.received.isEmpty)
            #expect(b.value.recorder.sinks.first?.isCancelled == true && b.value.recorder.sinks.first?.isFinished == false)
            #expect(b.value.transport.counters[1]?.snapshotReceiveFailures == 1)
        }
        try await loop.stop(a, b)
    }

    @Test("a receiver that cannot save says so")
    func noSink() async throws {
        let (a, b) = try await loop.pair()
        try await loop.run { _ in b.value.recorder.sinkFailure = PeerRequestError("no space left on device") }
        _ = try await send(a, 10_000_000)
        try await loop.wait(a) { !$0.snapshots.isEmpty }
        try await loop.run { _ in
            #expect(a.value.recorder.snapshots.map(\.1) == [false])
            #expect(b.value.recorder.received.isEmpty)
            #expect(a.value.transport.counters[2]?.snapshotSendFailures == 1)
        }
        try await loop.stop(a, b)
    }

    @Test("a removed member's snapshot is refused, and it learns why")
    func removed() async throws {
        let (a, b) = try await loop.pair()
        try await loop.run { _ in b.value.recorder.removed = [1] }
        _ = try await send(a, 100_000)
        try await loop.wait(a) { $0.localRemovals == 1 && !$0.snapshots.isEmpty }
        try await loop.run { _ in #expect(b.value.recorder.sinks.isEmpty && b.value.recorder.received.isEmpty) }
        try await loop.stop(a, b)
    }

    @Test("nobody to send to: failure, and the source is closed")
    func nobody() async throws {
        let a = try await loop.member(1)
        let source = try await send(a, 100)
        try await loop.run { _ in
            #expect(a.value.recorder.snapshots.map(\.1) == [false])
            #expect(source.value.isClosed)
        }
        try await loop.stop(a)
    }
}
