// The typed interface against a real member: keys, transactions, leases, locks, elections, barriers, STM, views.

import Foundation
import Testing

@testable import EtcdClient

@Suite("Everyday use with a real member", .serialized, .timeLimit(.minutes(2)), .enabled(if: RealMember.program != nil))
struct EverydayTests {
    private func withMember(_ body: (Client, RealMember) async throws -> Void) async throws {
        let member = try RealMember()
        defer { member.kill() }
        try member.start()
        let client = try makeClient([member.clientURL])
        defer { client.close() }
        try await waitUntilReady(client)
        try await body(client, member)
    }

    @Test("keys, transactions, leases, cluster and maintenance")
    func services() async throws {
        try await withMember { client, member in
            try await client.put("a/1", "one")
            let second = try await client.put(PutRequest("a/1", "two", wantsPrevious: true))
            #expect(second.previous?.text == "one")
            try await client.put([0x61, 0x2F, 0xFF] as [UInt8], [0, 1, 2] as [UInt8])
            var request = GetRequest(.prefix("a/"))
            request.isDescending = true
            #expect(try await client.get(request).pairs.map(\.value) == [[0, 1, 2], Array("two".utf8)])
            #expect(try await client.get("a/1")?.version == 2)

            let transaction = Transaction().when(.version(of: "a/1", equals: 2), .exists("a/1"), .missing("b"))
                .then(.put("b", "new"), .get(.prefix("a/")), .transaction(Transaction().then(.delete("a/1"))))
                .otherwise(.get("b"))
            let done = try await client.commit(transaction)
            #expect(done.succeeded && done.items.count == 3)
            if case .get(let found) = done.items[1] {
                #expect(found.count == 2)
            } else {
                Issue.record("no answer to get")
            }
            let again = try await client.commit(transaction)
            #expect(!again.succeeded && again.pair(at: 0)?.text == "new")

            var pieces = 0
            try await client.scan(.all, portion: 1) { _ in pieces += 1 }
            #expect(pieces == 2)

            let lease = try await client.grantLease(timeToLive: 60)
            try await client.put("c", "leased", lease: lease.id)
            #expect(try await client.leaseStatus(lease.id, wantsKeys: true).keys == [Array("c".utf8)])
            #expect(try await client.renewLease(lease.id).timeToLive == 60)
            #expect(try await client.leases() == [lease.id])
            try await client.revokeLease(lease.id)
            #expect(try await client.get("c") == nil)
            let gone = await #expect(throws: ClientError.self) { try await client.renewLease(lease.id) }
            #expect(gone?.code == .notFound)

            let members = try await client.members()
            #expect(members.map(\.name) == ["m0"] && members[0].clientURLs == [member.clientURL])
            let status = try await client.status(of: member.clientURL)
            #expect(status.isLeader && status.databaseSize > 0)
            #expect(try await client.alarms().isEmpty)
            #expect(try await client.hash(of: member.clientURL).header.memberID == status.header.memberID)
            try await client.defragment(member.clientURL)
            let size = Tally()
            try await client.snapshot(of: member.clientURL) { piece, _ in
                for _ in 0..<(piece.count / 512) { size.raise() }
            }
            #expect(size.value > 0)
        }
    }

    @Test("locks pass in order, one owner at a time; an owner's end passes the lock on")
    func locks() async throws {
        try await withMember { client, _ in
            let inside = Tally(), entered = Tally(), overlaps = Tally()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<5 {
                    group.addTask {
                        let session = try await Session.start(on: client, timeToLive: 30)
                        for _ in 0..<3 {
                            try await DistributedLock(session: session, name: "lock").withLock { grip in
                                if inside.raise() - entered.value != 1 { overlaps.raise() }
                                let held = try await client.commit(
                                    Transaction().when(grip.isHeld).then(.put("owner", grip.key))
                                )
                                if !held.succeeded { overlaps.raise() }
                                entered.raise()
                            }
                        }
                        try await session.close()
                    }
                }
                try await group.waitForAll()
            }
            #expect(entered.value == 15 && overlaps.value == 0)

            let one = try await Session.start(on: client), two = try await Session.start(on: client)
            let first = try await DistributedLock(session: one, name: "next").lock()
            #expect(try await DistributedLock(session: two, name: "next").tryLock() == nil)
            // Who gives up waiting leaves no key behind.
            let waiter = Task { try await DistributedLock(session: two, name: "next").lock() }
            let deadline = ContinuousClock.now + .seconds(10)
            while try await client.get(.prefix("next/")).count < 2, .now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            waiter.cancel()
            await #expect(throws: (any Error).self) { try await waiter.value }
            #expect(try await client.get(.prefix("next/")).count == 1)
            // The owner's end is the next one's turn.
            async let second = DistributedLock(session: two, name: "next").lock()
            try await one.close()
            #expect(try await second.revision > first.revision)
            try await two.close()
        }
    }

    @Test("elections: leaders in turn, proclaimed and observed")
    func elections() async throws {
        try await withMember { client, _ in
            let one = try await Session.start(on: client), two = try await Session.start(on: client)
            let first = Election(session: one, name: "vote"), second = Election(session: two, name: "vote")
            #expect(try await first.leader() == nil)
            let grip = try await first.campaign("one")
            var leaders = client.observeElection("vote").makeAsyncIterator()
            #expect(try await leaders.next()?.text == "one")
            try await first.proclaim("uno", grip)
            #expect(try await leaders.next()?.text == "uno")
            async let next = second.campaign("two")
            try await first.resign(grip)
            let other = try await next
            #expect(try await leaders.next()?.text == "two")
            let late = await #expect(throws: ClientError.self) { try await first.proclaim("again", grip) }
            #expect(late?.message == "election: not leader")
            try await second.resign(other)
            try await one.close()
            try await two.close()
        }
    }

    @Test("barriers hold and meet")
    func barriers() async throws {
        try await withMember { client, _ in
            let gate = Barrier(client: client, key: "gate")
            try await gate.hold()
            await #expect(throws: ClientError.self) { try await gate.hold() }
            let passed = Tally()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        try await gate.wait()
                        passed.raise()
                    }
                }
                #expect(try await client.get("gate") != nil && passed.value == 0)
                try await gate.release()
                try await group.waitForAll()
            }
            #expect(passed.value == 3)

            let entered = Tally(), left = Tally(), early = Tally()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let session = try await Session.start(on: client)
                        let meeting = DoubleBarrier(session: session, key: "meeting", count: 3)
                        entered.raise()
                        try await meeting.enter()
                        if entered.value != 3 { early.raise() }
                        left.raise()
                        try await meeting.leave()
                        if left.value != 3 { early.raise() }
                        try await session.close()
                    }
                }
                try await group.waitForAll()
            }
            #expect(early.value == 0)
            #expect(try await client.get(.prefix("meeting")).count == 0)
        }
    }

    @Test(
        "software transactions lose nothing",
        arguments: [Isolation.serializableSnapshot, .serializable, .repeatableReads]
    )
    func transactions(isolation: Isolation) async throws {
        try await withMember { client, _ in
            for number in 0..<4 { try await client.put("account/\(number)", "100") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for step in 0..<10 {
                            let source = "account/\((worker + step) % 4)",
                                target = "account/\((worker + step * 3 + 1) % 4)"
                            if source == target { continue }
                            try await client.transact(isolation) { run in
                                let from = Int(try await run.text(source) ?? "") ?? 0,
                                    to = Int(try await run.text(target) ?? "") ?? 0
                                run.put(source, "\(from - 1)")
                                run.put(target, "\(to + 1)")
                                run.put("count", "\((Int(try await run.text("count") ?? "") ?? 0) + 1)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let sum = try await client.get(.prefix("account/")).pairs.reduce(0) { $0 + (Int($1.text) ?? 0) }
            #expect(sum == 400)
            let count = try await client.get("count")
            // One version for each transaction that was committed, and the count says the same.
            #expect(count.flatMap { Int64($0.text) } == count?.version)
            struct Stop: Error {}
            await #expect(throws: Stop.self) {
                try await client.transact { run in
                    run.put("never", "written")
                    throw Stop()
                }
            }
            #expect(try await client.get("never") == nil)
        }
    }

    @Test("a namespace sees its part only, as if it were all")
    func namespace() async throws {
        try await withMember { client, _ in
            try await client.put("other", "x")
            let part = Namespace(client, prefix: "part/")
            var changes = part.watch(.all, WatchOptions(startRevision: 1)).makeAsyncIterator()
            try await part.put("a", "1")
            try await part.put("b", "2")
            #expect(try await part.get(.all).pairs.map(\.name) == ["a", "b"])
            #expect(try await client.get("part/a")?.text == "1")
            #expect(try await changes.next()?.pair.name == "a")
            let result = try await part.commit(Transaction().when(.exists("a")).then(.delete("a"), .get(.all)))
            #expect(result.succeeded && result.pair(at: 1)?.name == "b")
            #expect(try await part.delete(.all).count == 1)
            #expect(try await client.get("other") != nil)
            await #expect(throws: ClientError.self) { try await part.put("", "x") }
        }
    }

    @Test("a mirror: the base, and every change after it")
    func mirror() async throws {
        try await withMember { client, _ in
            for number in 0..<10 { try await client.put("src/\(number)", "\(number)") }
            let syncer = Syncer(client, prefix: "src/")
            var copy: [String: String] = [:]
            let revision = try await syncer.base(portion: 3) { for pair in $0 { copy[pair.name] = pair.text } }
            #expect(copy.count == 10)
            try await client.delete("src/3")
            try await client.put("src/new", "n")
            try await client.put("src/end", "")
            reading: for try await update in syncer.updates(after: revision) {
                for event in update.events {
                    copy[event.pair.name] = event.kind == .delete ? nil : event.pair.text
                    if event.pair.name == "src/end" { break reading }
                }
            }
            let all = try await client.get(.prefix("src/")).pairs
            #expect(copy == Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.text) }))
        }
    }

    @Test("a leasing cache is never older than an acknowledged write")
    func leasing() async throws {
        try await withMember { client, _ in
            let one = try await Session.start(on: client), two = try await Session.start(on: client)
            let near = LeasingKV(one, prefix: "leasing/"), far = LeasingKV(two, prefix: "leasing/")
            try await client.put("key", "0")
            #expect(try await near.get("key")?.text == "0")
            #expect(near.ownedCount == 1)
            // Answered from memory: even a write past the cache is not seen, which those that share a cache never do.
            try await client.put("key", "past the cache")
            #expect(try await near.get("key")?.text == "0")
            try await near.put("key", "1")
            #expect(try await near.get("key")?.text == "1")
            for number in 2..<12 {
                let writer = number % 2 == 0 ? far : near, reader = number % 2 == 0 ? near : far
                try await writer.put("key", "\(number)")
                #expect(try await reader.get("key")?.text == "\(number)")
                #expect(try await writer.get("key")?.text == "\(number)")
            }
            _ = try await near.get("key")
            try await far.delete(.all)
            #expect(try await near.get("key") == nil)
            let made = try await far.commit(Transaction().when(.missing("key")).then(.put("key", "made")))
            #expect(made.succeeded)
            #expect(try await near.get("key")?.text == "made")
            // Transactions that only read, from memory: the same as from the member.
            _ = try await near.get("nothing")
            var next = 0
            while near.ownedCount < 2, next < 100 {
                // What was just taken away is left to others for a while.
                try await Task.sleep(for: .milliseconds(100))
                _ = try await near.get("key")
                next += 1
            }
            #expect(near.ownedCount == 2)
            for key in ["key", "nothing"] {
                for comparison in [Transaction.Condition.Comparison.equal, .notEqual, .less, .greater] {
                    for number in Int64(0)...2 {
                        for condition in [
                            Transaction.Condition.version(of: key, comparison, number),
                            .createRevision(of: key, comparison, number), .modRevision(of: key, comparison, number),
                            .lease(of: key, comparison, number), .value(of: key, comparison, ["", "made", "z"][Int(number)]),
                        ] {
                            let read = Transaction().when(condition).then(.get("key")).otherwise(.get("nothing"), .get("key"))
                            let (mine, theirs) = (try await near.commit(read), try await client.commit(read))
                            #expect(mine.succeeded == theirs.succeeded, "\(condition)")
                            #expect(mine.pair(at: mine.succeeded ? 0 : 1) == theirs.pair(at: theirs.succeeded ? 0 : 1))
                            #expect(mine.items.count == theirs.items.count)
                        }
                    }
                }
            }
            try await one.close()
            #expect(try await far.get("key")?.text == "made")
            try await two.close()
        }
    }

    @Test("the tutorial does what it says")
    func tutorial() async throws {
        try await withMember { client, member in
            try await Tutorial(endpoint: member.clientURL).run()
            #expect(try await client.get("config/greeting")?.text == "hello")
        }
    }
}
