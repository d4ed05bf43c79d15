// Messages between members, as bytes on connections that break.

import BBolt
import Base
import FileIO
import RaftWire
import Replica
import SimulatedDisk

extension Simulation {
    /// A snapshot that is longer on its way than the healed cluster is given to catch up would say nothing.
    private static let snapshotDelayMax = VirtualTime.milliseconds(1500)

    private func member(_ id: MemberID) -> SimulatedMember? { members.first { $0.id == id && !$0.isRemoved } }

    func send(_ message: Message, from source: SimulatedMember) {
        checkers.durability.sent(message)
        guard let target = member(message.to), target.slot != source.slot else { return }
        let isForAppends = message.type == .append
        let id = LinkID(source: source.slot, target: target.slot, isForAppends: isForAppends)
        var link = network.links[id] ?? Link(source: source.id, target: target.id)
        if !target.isRunning || network.isCut(source.slot, target.slot) || network.roll(network.resetChance) {
            link.reset()
            network.links[id] = link
            source.replica?.consensus.reportUnreachable(target.id)
            return
        }
        let copies = message.type != .propose && network.roll(network.duplicateChance) ? 2 : 1
        for _ in 0..<copies {
            link.encode(message, asAppend: isForAppends)
            let arrival = max(
                now + network.delay(), link.lastArrival + 1, network.clogEnd(source.slot, target.slot))
            link.lastArrival = arrival
            scheduler.schedule(.deliver(id, epoch: link.epoch), at: arrival)
        }
        network.links[id] = link
    }

    func deliver(_ id: LinkID, _ epoch: Int) throws(Violation) {
        guard var link = network.links[id], link.epoch == epoch else { return }
        let target = members[id.target]
        // The other side does not read while it stands still; the bytes wait in order.
        if target.pausedUntil > now {
            return scheduler.schedule(.deliver(id, epoch: epoch), at: target.pausedUntil)
        }
        guard target.isRunning, !network.isCut(id.source, id.target) else {
            link.reset()
            network.links[id] = link
            return
        }
        let messages: [Message]
        do throws(PeerStreamError) {
            messages = try link.decodeNext(asAppend: id.isForAppends)
        } catch {
            throw Violation(checker: "peer streams", text: "from \(id.source) to \(id.target): \(error)")
        }
        network.links[id] = link
        for message in messages {
            let numbers = (
                UInt64(id.source), UInt64(id.target), UInt64(message.type.rawValue), message.term,
                message.index &* 31 &+ message.commit &* 7 &+ UInt64(message.entries.count)
            )
            trace.note(now, numbers) {
                "\(members[id.source].name)→\(target.name) \(message.type) term \(message.term) index \(message.index)"
            }
            target.replica?.receive(damaged(message, for: target))
        }
        scheduleTurn(target)
    }

    private func damaged(_ message: Message, for target: SimulatedMember) -> Message {
        var message = message
        switch settings.bug {
        case .countRefusedVote where message.type == .voteResponse || message.type == .preVoteResponse: message.reject = false
        case .loseEntry where message.type == .append && target.slot == 1 && !message.entries.isEmpty && network.roll(0.05):
            message.entries[0].data = Bytes()
        default: break
        }
        return message
    }

    // MARK: Snapshots

    func post(_ snapshot: OutgoingSnapshot, from source: SimulatedMember) {
        counts.snapshotsSent += 1
        guard let target = member(snapshot.message.to), target.isRunning, !network.isCut(source.slot, target.slot) else {
            return report(source, snapshot.message.to, success: false)
        }
        let database = snapshot.database
        let bytes = Bytes(database.read(from: 0, count: Int(database.sizeBytes)))
        let post = SnapshotPost(
            source: source.slot, sourceLife: source.life, target: target.slot, message: snapshot.message.encoded(),
            database: bytes, isDuplicate: false)
        note("\(source.name)→\(target.name) snapshot at \(snapshot.message.snapshot?.metadata.index ?? 0), \(bytes.count) bytes")
        scheduler.schedule(.snapshotArrives(network.add(post)), after: min(network.delay() * 20, Self.snapshotDelayMax))
        if network.roll(0.1) {
            var copy = post
            copy.isDuplicate = true
            scheduler.schedule(.snapshotArrives(network.add(copy)), after: min(network.delay() * 50, Self.snapshotDelayMax))
        }
    }

    private func report(_ source: SimulatedMember, _ target: MemberID, success: Bool) {
        let event = Event.snapshotReported(slot: source.slot, life: source.life, target: target, success: success)
        scheduler.schedule(event, after: network.delay())
    }

    func snapshotArrives(_ number: Int) {
        guard let post = network.posts.removeValue(forKey: number) else { return }
        let (source, target) = (members[post.source], members[post.target])
        guard let message = try? Message(decoding: post.message) else { return }
        func report(_ success: Bool) {
            if !post.isDuplicate, source.life == post.sourceLife { self.report(source, message.to, success: success) }
        }
        guard target.isRunning, target.pausedUntil <= now, !network.isCut(post.source, post.target), !network.roll(0.1) else {
            return report(false)
        }
        do throws(FileError) {
            try receive(post.database, message, on: target, number: UInt64(number))
        } catch {
            report(false)
            note("\(target.name) cannot keep a snapshot: \(error)")
            if target.disk.powerIsOff { crash(target, "\(error)") }
            return
        }
        report(true)
        target.replica?.receive(message)
        scheduleTurn(target)
    }

    private func receive(
        _ database: Bytes, _ message: Message, on target: SimulatedMember, number: UInt64
    ) throws(FileError) {
        let index = message.snapshot?.metadata.index ?? 0
        var receiver = try SnapshotReceiver(target.disk, directory: "d/member/snap", index: index, number: number)
        try receiver.append(database)
        try receiver.finish()
    }
}
