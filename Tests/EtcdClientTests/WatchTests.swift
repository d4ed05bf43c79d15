// Watches and leases over streams that break: with scripted members, so that the break is where it hurts.

import EtcdWire
import Foundation
import GRPCCore
import SwiftProtobuf
import Testing

@testable import EtcdClient

private func makeEvent(_ key: String, _ revision: Int64) -> Mvccpb_Event {
    .with {
        $0.type = .put
        $0.kv = .with {
            $0.key = Data(key.utf8)
            $0.modRevision = revision
        }
    }
}

private func makeAnswer(_ events: [Mvccpb_Event], at revision: Int64, fragment: Bool = false)
    -> Etcdserverpb_WatchResponse
{
    .with {
        $0.header = header(revision)
        $0.events = events
        $0.fragment = fragment
    }
}

@Suite("Watches", .timeLimit(.minutes(2)))
struct WatchTests {
    @Test("a watch goes on at another member after the last event, between two fragments, too")
    func resumes() async throws {
        let starts = Slot<[Int64]>()
        starts.value = []
        let first = Slot<ScriptedMember>()
        let broken = try await ScriptedMember.start([
            .stream(.watch) { request, send in
                starts.value?.append(request.createRequest.startRevision)
                try await send(
                    .with {
                        $0.created = true
                        $0.header = header(4)
                    }
                )
                try await send(makeAnswer([makeEvent("a", 5)], at: 5))
                try await send(
                    makeAnswer([makeEvent("b", 6), makeEvent("c", 7), makeEvent("d", 7)], at: 7, fragment: true)
                )
                // The connection must not break before the reader has what was sent.
                while starts.value?.count == 1 { try await Task.sleep(for: .milliseconds(10)) }
                first.value?.vanish()
                try await Task.sleep(for: .seconds(60))
            }
        ])
        first.value = broken
        let other = try await ScriptedMember.start([
            .stream(.watch) { request, send in
                starts.value?.append(request.createRequest.startRevision)
                try await send(
                    .with {
                        $0.created = true
                        $0.header = header(9)
                    }
                )
                try await send(
                    makeAnswer([makeEvent("c", 7), makeEvent("d", 7), makeEvent("e", 7), makeEvent("f", 8)], at: 9)
                )
                try await Task.sleep(for: .seconds(60))
            }
        ])
        let client = try makeClient([broken.endpoint, other.endpoint])
        defer { client.close() }
        var seen: [String] = []
        for try await event in client.watch(.all) {
            seen.append("\(event.pair.name)\(event.pair.modRevision)")
            if seen.count == 4 { starts.value?.append(-1) }
            if seen.last == "f8" { break }
        }
        #expect(seen == ["a5", "b6", "c7", "d7", "e7", "f8"])
        #expect(starts.value == [0, -1, 7])
    }

    @Test("progress: what was seen is where the next stream begins")
    func progress() {
        let progress = WatchProgress(startRevision: 0)
        #expect(progress.beginStream() == 0)
        _ = progress.saw(
            .with {
                $0.created = true
                $0.header = header(10)
            }
        )
        #expect(progress.beginStream() == 11)
        _ = progress.saw(makeAnswer([makeEvent("a", 12)], at: 14))
        #expect(progress.beginStream() == 13)
        _ = progress.saw(makeAnswer([], at: 20))
        #expect(progress.beginStream() == 21)
        progress.jump(to: 30)
        #expect(progress.beginStream() == 30)
        // A watch of the past has seen nothing when it is created.
        let past = WatchProgress(startRevision: 3)
        _ = past.saw(
            .with {
                $0.created = true
                $0.header = header(10)
            }
        )
        #expect(past.beginStream() == 3)
    }

    @Test("compaction ends a watch with the revision, or it goes on from there", arguments: [false, true])
    func compaction(goesOn: Bool) async throws {
        let member = try await ScriptedMember.start([
            .stream(.watch) { request, send in
                try await send(
                    .with {
                        $0.created = true
                        $0.header = header(50)
                    }
                )
                if request.createRequest.startRevision < 40 {
                    try await send(
                        .with {
                            $0.canceled = true
                            $0.compactRevision = 40
                            $0.header = header(50)
                        }
                    )
                    return
                }
                try await send(makeAnswer([makeEvent("a", request.createRequest.startRevision)], at: 50))
                try await Task.sleep(for: .seconds(60))
            }
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        var updates = client.watch(.all, WatchOptions(startRevision: 3, onCompaction: goesOn ? .resume : .fail)).updates
            .makeAsyncIterator()
        if goesOn {
            let update = try await updates.next()
            #expect(update?.resumedAtRevision == 40)
            #expect(update?.events.map(\.pair.modRevision) == [40])
        } else {
            do {
                _ = try await updates.next()
                Issue.record("the compaction was not reported")
            } catch let error as ClientError {
                #expect(error.compactRevision == 40)
            }
        }
    }

    @Test("a slow reader holds the member back, and loses nothing")
    func backPressure() async throws {
        // A third of a gigabyte: more than the system's buffers and the windows of HTTP/2 hold, wherever this runs.
        let total = 6000
        let value = Data(repeating: 0x78, count: 64 << 10)
        let sent = Tally()
        let member = try await ScriptedMember.start([
            .stream(.watch) { _, send in
                try await send(
                    .with {
                        $0.created = true
                        $0.header = header(1)
                    }
                )
                for number in 0..<total {
                    var event = makeEvent("key", Int64(number + 2))
                    event.kv.value = value
                    try await send(makeAnswer([event], at: Int64(number + 2)))
                    sent.raise()
                }
                try await Task.sleep(for: .seconds(60))
            }
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        var events = client.watch(.key("key")).makeAsyncIterator()
        _ = try await events.next()
        // Until the member no longer gets on: ten looks in a row that see the same.
        var last = -1, looks = 0
        while looks < 10 {
            let now = sent.value
            looks = now == last ? looks + 1 : 0
            last = now
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(last < total / 2, "\(last) of \(total) answers were taken while one was read")
        for number in 1..<total { #expect(try await events.next()?.pair.modRevision == Int64(number + 2)) }
    }

    @Test("who stops reading ends the watch")
    func endOfReading() async throws {
        let ended = Latch()
        let member = try await ScriptedMember.start([
            .stream(.watch) { _, send in
                try await send(
                    .with {
                        $0.created = true
                        $0.header = header(1)
                    }
                )
                try await send(makeAnswer([makeEvent("a", 2)], at: 2))
                // A stream that nobody wants can't be written to.
                do {
                    while true {
                        try await send(makeAnswer([], at: 3))
                        try await Task.sleep(for: .milliseconds(20))
                    }
                } catch {}
                ended.open()
            }
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        for try await _ in client.watch(.all) { break }
        await ended.wait()
        #expect(ended.isOpen)
    }

    @Test("a session whose lease can't be renewed ends within the lease's time")
    func sessionEnds() async throws {
        let renewals = Tally()
        let member = try await ScriptedMember.start([
            .unary(.leaseGrant) { _, _ in
                .with {
                    $0.id = 7
                    $0.ttl = 1
                }
            },
            .stream(.leaseKeepAlive) { _, send in
                // One renewal, and then silence.
                if renewals.raise() == 1 {
                    try await send(
                        .with {
                            $0.id = 7
                            $0.ttl = 1
                        }
                    )
                }
                try await Task.sleep(for: .seconds(60))
            },
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        let session = try await Session.start(on: client, timeToLive: 1)
        #expect(!session.isExpired)
        await session.waitUntilExpired()
        #expect(session.isExpired)
        #expect(renewals.value >= 1)
    }

    @Test("a session goes on over a broken stream")
    func sessionSurvives() async throws {
        let renewals = Tally()
        let third = Latch()
        let member = try await ScriptedMember.start([
            .unary(.leaseGrant) { _, _ in
                .with {
                    $0.id = 7
                    $0.ttl = 30
                }
            },
            .stream(.leaseKeepAlive) { _, send in
                if renewals.raise() < 3 { throw RPCError(code: .unavailable, message: "etcdserver: no leader") }
                try await send(
                    .with {
                        $0.id = 7
                        $0.ttl = 30
                    }
                )
                third.open()
                try await Task.sleep(for: .seconds(60))
            },
        ])
        let client = try makeClient([member.endpoint])
        defer { client.close() }
        let session = try await Session.start(on: client, timeToLive: 30)
        await third.wait()
        #expect(!session.isExpired)
    }
}
