// Between the transport and the member: what comes from other members waits here for the next turn, for it may come in
// the midst of one.

import Base
import FileIO
import Membership
import NIOCore
import NIOPosix
import PeerTransport
import RaftWire
import Replica
import ServerConfiguration
import ServerLog

/// News from the peer port, in order of arrival.
struct PeerNews {
    var messages: [Message] = []
    var unreachable: [MemberID] = []
    var snapshots: [(member: MemberID, succeeded: Bool)] = []

    var isEmpty: Bool { messages.isEmpty && unreachable.isEmpty && snapshots.isEmpty }
}

/// Confined to the member's loop.
final class PeerLink: PeerTransportDelegate {
    private unowned let member: MemberLoop
    /// For the disk's part of snapshots: they must not hold up the loop.
    private let pool: NIOThreadPool
    private var news = PeerNews()
    private var snapshotsReceived: UInt64 = 0

    init(_ member: MemberLoop, pool: NIOThreadPool) {
        self.member = member
        self.pool = pool
    }

    func takeNews() -> PeerNews {
        var taken = PeerNews()
        swap(&taken, &news)
        return taken
    }

    func receive(_ messages: [Message]) {
        news.messages += messages
        member.scheduleTurn()
    }

    func reportUnreachable(_ id: MemberID) {
        news.unreachable.append(id)
        member.scheduleTurn()
    }

    func reportSnapshot(_ id: MemberID, succeeded: Bool) {
        news.snapshots.append((id, succeeded))
        if !succeeded { news.unreachable.append(id) }
        member.scheduleTurn()
    }

    func isRemoved(_ id: MemberID) -> Bool { member.membership.removed.contains(id) }

    func localMemberWasRemoved() { member.localMemberWasRemoved() }

    func openSnapshotSink(for message: Message) throws -> any SnapshotSink {
        snapshotsReceived += 1
        let (index, serial, directory) = (
            message.snapshot?.metadata.index ?? 0, snapshotsReceived, member.configuration.snapshotDirectory
        )
        return SnapshotFileSink(pool: pool, eventLoop: member.eventLoop, meter: member.diskMeter) {
            try SnapshotReceiver(POSIXFileSystem(), directory: directory, index: index, number: serial)
        }
    }

    func handle(_ request: PeerRequest, reply: PeerReply) { member.peerSide?.desk.answer(request, reply) }

    func log(_ line: PeerLogLine) {
        let fields = line.fields.map { field in
            switch field.value {
            case .text(let text): LogField.string(field.key, text)
            case .number(let number): LogField.uint(field.key, number)
            case .bool(let flag): LogField.bool(field.key, flag)
            case .seconds(let seconds): LogField.duration(field.key, Duration.seconds(seconds))
            case .texts(let texts): LogField.strings(field.key, texts)
            }
        }
        switch line.level {
        case .debug: member.logger.debug(line.message, fields)
        case .info: member.logger.info(line.message, fields)
        case .warning: member.logger.warn(line.message, fields)
        case .error: member.logger.error(line.message, fields)
        }
    }

    func observe(_ measurement: PeerMeasurement) { member.metrics.note(measurement) }
}
