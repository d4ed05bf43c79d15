// A leader's side of a snapshot: raft asks for one, the file is brought up to what is applied and pinned there, and
// message and database leave together.

package import BBolt
import Base
package import RaftWire

/// A snapshot that is ready to be sent: the message, and the database that goes with it. The host reports how it ended
/// with `reportSnapshot`, without fail: until then the log is kept for the follower.
package struct OutgoingSnapshot: Sendable {
    package var message: Message
    /// A state of the file at exactly the message's index.
    package var reader: ReadTransaction

    package var database: DatabaseImage { DatabaseImage(of: reader) }
}

/// The snapshots between raft's wish and the host's report.
struct SnapshotSending: Sendable {
    /// As etcd: more are refused, and asked for again later.
    static let inFlightMax = 16

    /// Messages whose database is being pinned, by token.
    private var waiting: [(token: UInt64, message: Message)] = []
    private var handedOut: [MemberID] = []
    private var nextToken: UInt64 = 1

    var isBusy: Bool { !waiting.isEmpty || !handedOut.isEmpty }

    /// - Returns: the token for the commit lane; nil if there are too many already.
    mutating func begin(_ message: Message) -> UInt64? {
        guard waiting.count + handedOut.count < Self.inFlightMax else { return nil }
        let token = nextToken
        nextToken += 1
        waiting.append((token, message))
        return token
    }

    mutating func pinned(_ token: UInt64, _ reader: ReadTransaction) -> OutgoingSnapshot? {
        guard let position = waiting.firstIndex(where: { $0.token == token }) else { return nil }
        let message = waiting.remove(at: position).message
        handedOut.append(message.to)
        return OutgoingSnapshot(message: message, reader: reader)
    }

    mutating func ended(_ target: MemberID) {
        if let position = handedOut.firstIndex(of: target) { handedOut.remove(at: position) }
    }

    /// Messages whose database will not come any more.
    mutating func abandonWaiting() -> [MemberID] {
        defer { waiting = [] }
        return waiting.map(\.message.to)
    }
}
