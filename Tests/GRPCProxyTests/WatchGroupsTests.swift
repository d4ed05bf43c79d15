// Who hears what, and how many watches on the members that costs.

import EtcdWire
import Foundation
import SwiftProtobuf
import Testing

@testable import GRPCProxy

@Suite("gRPC proxy: shared watches")
struct WatchGroupsTests {
    static let range = WatchGroups.Range(key: Data("k".utf8), end: Data())

    func event(_ revision: Int64, deletes: Bool = false, previous: Bool = true) -> Mvccpb_Event {
        .with {
            $0.type = deletes ? .delete : .put
            $0.kv = .with {
                $0.key = Data("k".utf8)
                $0.modRevision = revision
            }
            if previous { $0.prevKv = .with { $0.key = Data("k".utf8) } }
        }
    }

    func answer(_ revision: Int64, _ events: [Mvccpb_Event] = []) -> Etcdserverpb_WatchResponse {
        .with {
            $0.header.revision = revision
            $0.events = events
        }
    }

    func revisions(_ delivery: WatchGroups.Delivery, of watcher: Int) -> [Int64] {
        delivery.messages.filter { $0.watcher == watcher }.flatMap(\.answer.events).map(\.kv.modRevision)
    }

    @Test("watchers of the present share one watch, and each hears an event once")
    func present() {
        var groups = WatchGroups()
        let first = groups.add(Self.range, next: 11, isPresent: true, .init())
        #expect(first.isNew && first.next == 11)
        var others: [Int] = []
        for _ in 0..<49 {
            let joined = groups.add(Self.range, next: 11, isPresent: true, .init())
            #expect(!joined.isNew && joined.upstream == first.upstream)
            others.append(joined.watcher)
        }
        #expect(groups.upstreamCount == 1 && groups.watchersCoalesced == 49)
        let delivery = groups.take(answer(11, [event(11)]), from: first.upstream)
        for watcher in [first.watcher] + others { #expect(revisions(delivery, of: watcher) == [11]) }
        #expect(groups.eventsCoalesced == 49)
    }

    @Test("a watcher of the present that asked behind the shared watch begins where that is")
    func presentBehind() {
        var groups = WatchGroups()
        let first = groups.add(Self.range, next: 11, isPresent: true, .init())
        _ = groups.take(answer(15, [event(15)]), from: first.upstream)
        let late = groups.add(Self.range, next: 13, isPresent: true, .init())
        #expect(!late.isNew && late.next == 16)
    }

    @Test("a watcher of the past gets a watch of its own until it has caught up, and misses nothing")
    func past() {
        var groups = WatchGroups()
        let now = groups.add(Self.range, next: 21, isPresent: true, .init())
        let past = groups.add(Self.range, next: 3, isPresent: false, .init())
        #expect(past.isNew && groups.upstreamCount == 2)
        var delivery = groups.take(answer(20, [event(3), event(9)]), from: past.upstream)
        #expect(revisions(delivery, of: past.watcher) == [3, 9] && delivery.ended.isEmpty)
        // The shared watch is ahead: nobody moves, or 21 would be lost to the one behind.
        delivery = groups.take(answer(21, [event(21)]), from: now.upstream)
        #expect(revisions(delivery, of: past.watcher) == [] && delivery.ended.isEmpty)
        delivery = groups.take(answer(21, [event(21)]), from: past.upstream)
        #expect(revisions(delivery, of: past.watcher) == [21])
        #expect(delivery.ended == [past.upstream] && groups.upstreamCount == 1)
        delivery = groups.take(answer(22, [event(22)]), from: now.upstream)
        #expect(revisions(delivery, of: past.watcher) == [22] && revisions(delivery, of: now.watcher) == [22])
    }

    @Test("one that is ahead may wait for the shared watch, and hears nothing twice")
    func ahead() {
        var groups = WatchGroups()
        let now = groups.add(Self.range, next: 21, isPresent: true, .init())
        let past = groups.add(Self.range, next: 3, isPresent: false, .init())
        var delivery = groups.take(answer(25, [event(3), event(25)]), from: past.upstream)
        #expect(delivery.ended == [past.upstream])
        delivery = groups.take(answer(25, [event(24), event(25)]), from: now.upstream)
        #expect(revisions(delivery, of: now.watcher) == [24, 25] && revisions(delivery, of: past.watcher) == [])
    }

    @Test("nobody is held up by a watch that is still in the past")
    func slow() {
        var groups = WatchGroups()
        let past = groups.add(Self.range, next: 3, isPresent: false, .init())
        let now = groups.add(Self.range, next: 21, isPresent: true, .init())
        #expect(now.isNew)
        _ = groups.take(answer(30, [event(3)]), from: past.upstream)
        let delivery = groups.take(answer(30, [event(30)]), from: now.upstream)
        #expect(delivery.ended.isEmpty && groups.upstreamCount == 2)
    }

    @Test("watchers of the future join, and hear nothing before their time")
    func future() {
        var groups = WatchGroups()
        let now = groups.add(Self.range, next: 11, isPresent: true, .init())
        let future = groups.add(Self.range, next: 13, isPresent: false, .init())
        #expect(!future.isNew)
        let delivery = groups.take(answer(13, [event(12), event(13)]), from: now.upstream)
        #expect(revisions(delivery, of: now.watcher) == [12, 13] && revisions(delivery, of: future.watcher) == [13])
    }

    @Test("each hears what it asked for: kinds of events, previous values, progress")
    func wishes() {
        var groups = WatchGroups()
        let all = groups.add(Self.range, next: 2, isPresent: true, .init(wantsPrevious: true, wantsProgress: true))
        let deletes = groups.add(Self.range, next: 2, isPresent: true, .init(skipsPuts: true))
        let puts = groups.add(Self.range, next: 2, isPresent: true, .init(skipsDeletes: true))
        var delivery = groups.take(answer(3, [event(2), event(3, deletes: true)]), from: all.upstream)
        #expect(revisions(delivery, of: all.watcher) == [2, 3])
        #expect(revisions(delivery, of: deletes.watcher) == [3] && revisions(delivery, of: puts.watcher) == [2])
        let previous = delivery.messages.map { message in message.answer.events.allSatisfy(\.hasPrevKv) }
        #expect(previous == [true, false, false])
        delivery = groups.take(answer(9), from: all.upstream)
        #expect(delivery.messages.map(\.watcher) == [all.watcher])
        #expect(groups.next(of: all.upstream) == 10)
    }

    @Test("a watch ends with its last watcher, and a cancelled one takes all with it")
    func ends() {
        var groups = WatchGroups()
        let first = groups.add(Self.range, next: 2, isPresent: true, .init())
        let second = groups.add(Self.range, next: 2, isPresent: true, .init())
        #expect(groups.remove(first.watcher) == nil)
        #expect(groups.remove(second.watcher) == first.upstream)
        #expect(groups.remove(second.watcher) == nil && groups.upstreamCount == 0)
        let third = groups.add(Self.range, next: 2, isPresent: false, .init())
        var cancelled = answer(20)
        cancelled.canceled = true
        cancelled.compactRevision = 9
        let delivery = groups.take(cancelled, from: third.upstream)
        #expect(delivery.messages.map(\.answer.compactRevision) == [9] && delivery.cancelled == [third.watcher])
        #expect(delivery.ended == [third.upstream] && groups.watcherCount == 0)
    }

    @Test("seeded histories: every watcher hears every event from its start on, once and in order")
    func histories() {
        for seed in 0..<200 {
            var dice = Dice(seed: UInt64(seed))
            var groups = WatchGroups()
            var store: Int64 = 5
            /// What was written, and how far each upstream watch was told.
            var told: [Int: Int64] = [:]
            var heard: [Int: (from: Int64, events: [Int64])] = [:]
            for _ in 0..<60 {
                switch dice.roll(4) {
                case 0: store += 1
                case 1:
                    let isPresent = dice.roll(2) == 0
                    let next = isPresent ? store + 1 : Int64(2 + dice.roll(Int(store)))
                    let joined = groups.add(Self.range, next: next, isPresent: isPresent, .init())
                    heard[joined.watcher] = (joined.next, [])
                    if joined.isNew { told[joined.upstream] = joined.next - 1 }
                default: pump(&groups, &told, &heard, store, &dice)
                }
            }
            for _ in 0..<200 { pump(&groups, &told, &heard, store, &dice) }
            for (_, watcher) in heard where watcher.from <= store {
                #expect(watcher.events == Array(watcher.from...store), "seed \(seed)")
            }
        }
    }

    /// Tells one upstream watch of the next one or two events it has not heard of.
    func pump(
        _ groups: inout WatchGroups,
        _ told: inout [Int: Int64],
        _ heard: inout [Int: (from: Int64, events: [Int64])],
        _ store: Int64,
        _ dice: inout Dice
    ) {
        let open = told.keys.sorted()
        guard !open.isEmpty else { return }
        let upstream = open[dice.roll(open.count)]
        guard let last = told[upstream], last < store else { return }
        let end = min(store, last + 1 + Int64(dice.roll(2)))
        told[upstream] = end
        let delivery = groups.take(answer(store, (last + 1...end).map { event($0) }), from: upstream)
        for (watcher, message) in delivery.messages { heard[watcher]?.events += message.events.map(\.kv.modRevision) }
        for gone in delivery.ended { told[gone] = nil }
    }

    struct Dice {
        var state: UInt64

        init(seed: UInt64) { state = seed &* 2 &+ 1 }

        mutating func roll(_ sides: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % sides
        }
    }
}
