// Watchers: the host's part of a watch, small, around the store's changes, its table of watchers and its walk over the
// past, which are production's.

import Base
import EtcdWire
import MVCC
import Replica
import StateMachine
import Wire

extension Simulation {
    func startWatching() {
        var ranges = [KeyRange(key: "key-1", end: "key-5"), KeyRange(key: Bytes([0]), end: Bytes([0]))]
        for _ in 0..<2 { ranges.append(KeyRange(key: randomKey())) }
        for (number, range) in ranges.enumerated() {
            watchers.append(SimulatedWatcher(number: number, range: range))
            checkers.watches.began(range)
            scheduler.schedule(.watch(number, epoch: 0), after: .milliseconds(1600))
        }
    }

    private func wait(_ watcher: SimulatedWatcher, upTo milliseconds: UInt64) {
        watcher.epoch += 1
        let delay = UInt64.random(in: 1_000_000...milliseconds * 1_000_000, using: &clientDice)
        scheduler.schedule(.watch(watcher.number, epoch: watcher.epoch), after: delay)
    }

    func watch(_ number: Int, _ epoch: Int) throws(Violation) {
        let watcher = watchers[number]
        guard watcher.epoch == epoch, !watcher.isSynced else { return }
        if watcher.home == nil {
            watcher.home = members.filter { $0.isRunning && !$0.isRemoved }.randomElement(using: &clientDice)?.slot
        }
        guard let home = watcher.home, members[home].pausedUntil <= now else { return wait(watcher, upTo: 500) }
        try catchUp(watcher, members[home])
    }

    /// Tells the watcher its past, and makes it one of those who hear the present when there is no more of it.
    private func catchUp(_ watcher: SimulatedWatcher, _ member: SimulatedMember) throws(Violation) {
        guard let view = member.replica?.apply.state.view else { return }
        let from = settings.bug == .repeatWatchEvent ? max(1, watcher.next - 1) : watcher.next
        let wish = HistoryWish(range: watcher.range, from: from, wantsPrevious: true, skipsPuts: false, skipsDeletes: false)
        let part: HistoryPart
        do throws(MVCCError) {
            guard let first = try view.history([wish]).first else { return }
            part = first
        } catch {
            throw Violation(checker: "watch", text: "\(member.name) cannot read its past: \(error)")
        }
        if part.isCompacted {
            note("watcher \(watcher.number) finds \(from) compacted")
            try checkers.watches.skipped(watcher.number, to: view.compactRevision)
            watcher.next = view.compactRevision
            return wait(watcher, upTo: 100)
        }
        note("watcher \(watcher.number) at \(member.name) from \(from) has \(part.ends.count) through \(part.next - 1)")
        try tell(watcher, try decoded(part.events), through: part.next - 1)
        if part.next > view.latestRevision {
            watcher.isSynced = true
            member.watches.insert(watcher)
        } else {
            wait(watcher, upTo: 100)
        }
    }

    private func tell(_ watcher: SimulatedWatcher, _ events: [WatchCompleteness.Told], through: Int64) throws(Violation) {
        var events = events
        if settings.bug == .missWatchEvent, watcher.number == 0, !events.isEmpty { events.removeFirst() }
        if settings.bug == .reorderWatchEvents { events.reverse() }
        counts.watchEvents += events.count
        try checkers.watches.told(watcher.number, events, through: through)
        watcher.next = through + 1
    }

    private func decoded(_ framed: Bytes) throws(Violation) -> [WatchCompleteness.Told] {
        do throws(WireError) {
            var result: [WatchCompleteness.Told] = []
            for bytes in try WatchResponse(decoding: framed).events {
                let event = try EtcdWire.Event(decoding: bytes)
                guard let pair = event.kv else { continue }
                result.append(
                    WatchCompleteness.Told(
                        key: pair.key, value: event.type == .delete ? nil : pair.value, previous: event.prevKV?.value,
                        revision: pair.modRevision))
            }
            return result
        } catch {
            throw Violation(checker: "watch", text: "events that cannot be read: \(error)")
        }
    }

    /// What a turn of the member has applied.
    func changed(_ member: SimulatedMember, _ revisions: [StoreRevision]) throws(Violation) {
        guard let last = revisions.last?.main else { return }
        member.matchedRevision = last
        if member.watches.isEmpty { return }
        var events: [Int: WireWriter] = [:]
        var firsts: [Int: Int64] = [:]
        for revision in revisions {
            for change in revision.changes {
                member.watches.forEach(watching: change.key) { watcher in
                    guard revision.main >= watcher.next else { return }
                    if firsts[watcher.number] == nil { firsts[watcher.number] = revision.main }
                    change.row.withUnsafeBytes { row in
                        appendEvent(
                            row: row, isDelete: change.isDelete, modRevision: revision.main, previous: nil,
                            to: &events[watcher.number, default: WireWriter()])
                    }
                }
            }
        }
        for number in firsts.keys.sorted() {
            guard let writer = events[number], let first = firsts[number] else { continue }
            if network.roll(0.03) {
                // A client that is slow to read: it is told the rest from the store.
                fallBehind(watchers[number], member, next: first)
            } else {
                try tell(watchers[number], try decoded(writer.bytes), through: last)
            }
        }
    }

    private func fallBehind(_ watcher: SimulatedWatcher, _ member: SimulatedMember, next: Int64) {
        member.watches.remove(watcher)
        watcher.isSynced = false
        watcher.next = next
        wait(watcher, upTo: 500)
    }

    /// A leader's snapshot has taken the store's place: everyone reads on from where they were.
    func storeReplaced(_ member: SimulatedMember) throws(Violation) {
        for watcher in watchers where watcher.home == member.slot && watcher.isSynced {
            let next = max(watcher.next, member.matchedRevision + 1)
            try tell(watcher, [], through: next - 1)
            fallBehind(watcher, member, next: next)
        }
    }

    /// The member is gone, and its clients look for another.
    func loseWatchers(of member: SimulatedMember) {
        member.watches = WatchTable()
        member.matchedRevision = 0
        for watcher in watchers where watcher.home == member.slot {
            watcher.home = nil
            watcher.isSynced = false
            if settings.bug == .resumeWatchLate { watcher.next += 1 }
            wait(watcher, upTo: 800)
        }
    }
}
