// Reads that wait until a quorum confirms that the leader still leads.
//
// Reads are numbered in the order they come; a heartbeat carries the number of the newest one, and so its answer
// confirms all reads up to that one. The numbers are acknowledged like log indexes, and confirmed by the same majority.

import Base
import RaftWire

struct ReadIndexQueue: Sendable {
    /// The size of a heartbeat's context: a number, low byte first.
    private static let contextSize = 8

    private struct Read: Sendable {
        var request: Message
        /// The commit index when the read came.
        var index: LogIndex
    }

    private var unconfirmed: [Read] = []
    /// How many reads have been confirmed so far.
    private var confirmedCount: UInt64 = 0
    private var acknowledged: [(id: MemberID, number: UInt64)] = []

    private var newest: UInt64 { confirmedCount + UInt64(unconfirmed.count) }

    mutating func add(_ request: Message, at index: LogIndex) {
        unconfirmed.append(Read(request: request, index: index))
    }

    /// What heartbeats carry: empty if nothing waits.
    var heartbeatContext: Bytes {
        if unconfirmed.isEmpty { return Bytes() }
        return withUnsafeBytes(of: newest.littleEndian) { Bytes(copying: $0) }
    }

    /// The member confirms what the heartbeat with this context asked.
    mutating func acknowledge(_ id: MemberID, context: Bytes) {
        // Contexts that are no numbers of ours come from members that echo somebody else's.
        guard context.count == Self.contextSize else { return }
        let number = context.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard number <= newest else { return }
        if let position = acknowledged.firstIndex(where: { $0.id == id }) {
            acknowledged[position].number = max(acknowledged[position].number, number)
        } else {
            acknowledged.append((id, number))
        }
    }

    /// The reads that a quorum has confirmed by now, oldest first.
    mutating func takeConfirmed(_ voters: JointVoters) -> [(request: Message, index: LogIndex)] {
        let number = voters.committedIndex { id in acknowledged.first { $0.id == id }?.number }
        guard number > confirmedCount, number <= newest else { return [] }
        let count = Int(number - confirmedCount)
        let confirmed = unconfirmed.prefix(count).map { ($0.request, $0.index) }
        unconfirmed.removeFirst(count)
        confirmedCount = number
        return confirmed
    }
}
