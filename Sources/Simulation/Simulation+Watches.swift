// Watch clients: they ask the front lanes of members as any client does, are slow at times, come and go, and hand what
// they are told to the checker.

import Base
import EtcdAPI
import EtcdWire
import MVCC
import Wire

extension Simulation {
    func startWatching() {
        let ranges = [
            [KeyRange(key: "key-1", end: "key-5"), KeyRange(key: randomKey())],
            [KeyRange(key: Bytes([0]), end: Bytes([0]))], [KeyRange(key: randomKey())],
        ]
        for (number, ranges) in ranges.enumerated() {
            let watchers = ranges.map { range in
                checkers.watches.began(range)
                watcherCount += 1
                return SimulatedWatcher(
                    number: watcherCount - 1,
                    range: range,
                    wantsPrevious: Bool.random(using: &clientDice)
                )
            }
            watchClients.append(SimulatedWatchClient(number: number, watchers: watchers))
            scheduler.schedule(.watch(number, epoch: 0), after: .milliseconds(1600))
        }
    }

    private func wait(_ client: SimulatedWatchClient, upTo milliseconds: UInt64) {
        client.epoch += 1
        let delay = UInt64.random(in: 1_000_000...milliseconds * 1_000_000, using: &clientDice)
        scheduler.schedule(.watch(client.number, epoch: client.epoch), after: delay)
    }

    func watch(_ number: Int, _ epoch: Int) throws(Violation) {
        let client = watchClients[number]
        guard client.epoch == epoch else { return }
        defer { wait(client, upTo: 600) }
        guard let stream = client.stream else { return try connect(client) }
        guard let home = client.home, members[home].pausedUntil <= now, members[home].isRunning else { return }
        members[home].front?.lane.now = clock(members[home])
        if stream.isStalled {
            note("watch client \(number) reads on")
            stream.readOn()
        } else if areClientsQuiet {
            return
        } else {
            switch Int.random(in: 0..<100, using: &clientDice) {
            case 0..<25: ask(client, .progress)
            case 25..<35:
                note("watch client \(number) is slow")
                stream.isStalled = true
            case 35..<38:
                note("watch client \(number) leaves \(members[home].name)")
                leave(client)
            case 38..<43:
                // It ends one of its watches, and begins it anew where it was once it hears of it.
                if let watcher = client.watchers.randomElement(using: &clientDice) {
                    ask(client, .cancel(watchID: watcher.id))
                }
            default: break
            }
        }
        scheduleTurn(members[home])
        try readStream(client)
    }

    private func connect(_ client: SimulatedWatchClient) throws(Violation) {
        let choice = members.filter { $0.isRunning && !$0.isRemoved && $0.pausedUntil <= now && $0.front != nil }
        guard let home = choice.randomElement(using: &clientDice) else { return }
        client.home = home.slot
        client.stream = ClientStream()
        home.front?.lane.now = clock(home)
        for watcher in client.watchers { create(watcher, client) }
        scheduleTurn(home)
        try readStream(client)
    }

    private func create(_ watcher: SimulatedWatcher, _ client: SimulatedWatchClient) {
        let from = settings.bug == .repeatWatchEvent ? max(1, watcher.next - 1) : watcher.next
        note("watcher \(watcher.number) asks m\(client.home ?? -1) from \(from)")
        watcher.isCreated = false
        ask(
            client,
            .create(
                WatchCreateRequest(
                    key: watcher.range.key,
                    rangeEnd: watcher.range.end,
                    startRevision: from,
                    progressNotify: true,
                    prevKV: watcher.wantsPrevious,
                    watchID: watcher.id
                )
            )
        )
    }

    private func ask(_ client: SimulatedWatchClient, _ request: WatchRequest) {
        guard let stream = client.stream, stream.isOpen, let home = client.home else { return }
        members[home].front?.lane.watch(request.encoded(), CallMetadata(requiresLeader: client.number == 0), stream)
    }

    private func leave(_ client: SimulatedWatchClient) {
        client.stream?.hangUp()
        client.stream = nil
        client.home = nil
        if settings.bug == .resumeWatchLate { for watcher in client.watchers { watcher.next += 1 } }
    }

    /// The member is gone, and what its clients have not read with it.
    func loseWatchClients(of member: SimulatedMember) {
        for client in watchClients where client.home == member.slot {
            // Nobody is there to hear of it.
            client.stream?.finish(nil)
            leave(client)
            wait(client, upTo: 800)
        }
    }

    // MARK: Reading

    /// What a turn of the member has put on the streams of its clients.
    func readStreams(of member: SimulatedMember) throws(Violation) {
        for client in watchClients where client.home == member.slot { try readStream(client) }
    }

    private func readStream(_ client: SimulatedWatchClient) throws(Violation) {
        guard let stream = client.stream else { return }
        for message in stream.read() {
            let response: WatchResponse
            do throws(WireError) {
                response = try WatchResponse(decoding: message)
            } catch {
                throw Violation(checker: "watch", text: "an answer that cannot be read: \(error)")
            }
            try took(response, client)
        }
        if !stream.isOpen, client.stream === stream, !stream.isStalled {
            note("watch client \(client.number) is sent away: \(stream.ending?.message ?? "")")
            leave(client)
        }
    }

    private func took(_ response: WatchResponse, _ client: SimulatedWatchClient) throws(Violation) {
        let revision = response.header?.revision ?? 0
        if response.watchID == -1, !response.created {
            // The notice for the whole stream: all its watchers have heard everything through this revision.
            for watcher in client.watchers where watcher.isCreated { try tell(watcher, [], through: revision) }
            return
        }
        guard let watcher = client.watchers.first(where: { $0.id == response.watchID }) else {
            throw Violation(checker: "watch", text: "an answer for watch \(response.watchID), which nobody began")
        }
        if response.created {
            if response.canceled {
                throw Violation(checker: "watch", text: "a watch is refused: \(response.cancelReason)")
            }
            watcher.isCreated = true
            return
        }
        guard watcher.isCreated else {
            throw Violation(
                checker: "watch",
                text: "watcher \(watcher.number) is told something before its watch stands"
            )
        }
        if response.canceled {
            if response.compactRevision > 0 {
                note("watcher \(watcher.number) finds \(watcher.next) compacted")
                try checkers.watches.skipped(watcher.number, to: response.compactRevision)
                watcher.next = response.compactRevision
            }
            return create(watcher, client)
        }
        if response.events.isEmpty { return try tell(watcher, [], through: revision) }
        let events = try decoded(response.events)
        guard let last = events.last?.revision, last <= revision else {
            throw Violation(
                checker: "watch",
                text: "watcher \(watcher.number) is told events beyond the header's \(revision)"
            )
        }
        try tell(watcher, events, through: last)
    }

    private func tell(_ watcher: SimulatedWatcher, _ events: [WatchCompleteness.Told], through: Int64) throws(Violation)
    {
        var events = events
        if settings.bug == .missWatchEvent, watcher.number == 0, !events.isEmpty { events.removeFirst() }
        if settings.bug == .reorderWatchEvents { events.reverse() }
        counts.watchEvents += events.count
        if events.isEmpty { counts.watchProgress += 1 }
        note("watcher \(watcher.number) told \(events.count) through \(through)")
        try checkers.watches.told(watcher.number, events, through: through)
        watcher.next = max(watcher.next, through + 1)
    }

    private func decoded(_ encoded: [Bytes]) throws(Violation) -> [WatchCompleteness.Told] {
        do throws(WireError) {
            var result: [WatchCompleteness.Told] = []
            for bytes in encoded {
                let event = try EtcdWire.Event(decoding: bytes)
                guard let pair = event.kv else { continue }
                result.append(
                    WatchCompleteness.Told(
                        key: pair.key,
                        value: event.type == .delete ? nil : pair.value,
                        previous: event.prevKV?.value,
                        revision: pair.modRevision
                    )
                )
            }
            return result
        } catch {
            throw Violation(checker: "watch", text: "events that cannot be read: \(error)")
        }
    }

    /// Progress asked for at a moment at which the store is ahead of what watchers were told.
    func askTooEarly(_ member: SimulatedMember) {
        for client in watchClients where client.home == member.slot { ask(client, .progress) }
    }
}
