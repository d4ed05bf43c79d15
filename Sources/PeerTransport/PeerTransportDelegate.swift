// What the transport needs of the member it works for. All calls come from the transport's event loop.

package import Base
package import NIOCore
package import RaftWire

package protocol PeerTransportDelegate: AnyObject {
    /// Messages for this member that came in one read of one connection; local kinds are already sorted out.
    func receive(_ messages: [Message])
    /// A message to the peer was lost.
    func reportUnreachable(_ id: MemberID)
    /// How the sending of a snapshot ended.
    func reportSnapshot(_ id: MemberID, succeeded: Bool)
    /// Whether the member has been removed from the cluster, for good.
    func isRemoved(_ id: MemberID) -> Bool
    /// A peer says that this member itself has been removed. The member should stop.
    func localMemberWasRemoved()
    /// Where the database of a snapshot goes that now comes in.
    func openSnapshotSink(for message: Message) throws -> any SnapshotSink
    /// Everything on the peer port that is not raft: `/members`, `/version`, `/leases`, ….
    func handle(_ request: PeerRequest, reply: PeerReply)
    func log(_ line: PeerLogLine)
    func observe(_ measurement: PeerMeasurement)
}

/// Where the database behind a snapshot message comes from.
package protocol SnapshotSource: AnyObject {
    /// Exactly so many bytes will come.
    var sizeBytes: UInt64 { get }
    /// The next piece, at most `bytesMax`; nil at the end. May be answered from any thread; asked for one at a time.
    func next(bytesMax: Int) -> EventLoopFuture<ByteBuffer?>
    /// Nothing more will be asked for. Called once.
    func close()
}

/// Where the database behind a snapshot message goes. Methods are called in order; futures may be fulfilled from any thread.
package protocol SnapshotSink: AnyObject {
    func write(_ bytes: ByteBuffer) -> EventLoopFuture<Void>
    /// All has come: succeeds once the file is durable under its name. The message goes to raft after that.
    func finish() -> EventLoopFuture<Void>
    /// It ended early; nothing may remain. Called instead of `finish`, or after it failed.
    func cancel()
}

/// Durations for the metrics page, in seconds.
package enum PeerMeasurement: Sendable, Hashable {
    case roundTrip(to: MemberID, Double)
    case snapshotSent(to: MemberID, Double)
    case snapshotReceived(from: MemberID, Double)
}

/// A line for the log. The transport has no logger of its own: it sits below that room.
package struct PeerLogLine: Sendable {
    package enum Level: Sendable { case debug, info, warning, error }

    package enum Value: Sendable {
        case text(String)
        case number(UInt64)
        case bool(Bool)
        case seconds(Double)
        case texts([String])
    }

    package var level: Level
    package var message: String
    package var fields: [(key: String, value: Value)]

    init(_ level: Level, _ message: String, _ fields: KeyValuePairs<String, Value>) {
        self.level = level
        self.message = message
        self.fields = fields.map { ($0.key, $0.value) }
    }
}

extension PeerLogLine.Value {
    static func id(_ id: UInt64) -> Self { .text(hexadecimal(id)) }
}

/// What happened between this member and another since the start.
package struct PeerCounters: Sendable, Hashable {
    package var sentBytes: UInt64 = 0
    package var receivedBytes: UInt64 = 0
    package var sentFailures: UInt64 = 0
    package var receivedFailures: UInt64 = 0
    package var disconnects: UInt64 = 0
    package var snapshotsSent: UInt64 = 0
    package var snapshotSendFailures: UInt64 = 0
    package var snapshotsBeingSent: UInt64 = 0
    package var snapshotsReceived: UInt64 = 0
    package var snapshotReceiveFailures: UInt64 = 0
    package var snapshotsBeingReceived: UInt64 = 0
    /// Appends sent, with their bytes (`/v2/stats` and the leader's page).
    package var appendsSent: UInt64 = 0
}
