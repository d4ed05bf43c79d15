// Whether anything gets through to a peer. Streams in both directions and posted messages all have a say.

import Base
import NIOCore

struct PeerStatus {
    private(set) var activeSince: NIODeadline?

    var isActive: Bool { activeSince != nil }

    /// Whether that is news.
    mutating func activate() -> Bool {
        if isActive { return false }
        activeSince = .now()
        return true
    }

    /// Whether that is news.
    mutating func deactivate() -> Bool {
        defer { activeSince = nil }
        return isActive
    }
}

/// The two streams of each direction.
enum StreamKind: CaseIterable {
    case append
    case message

    /// The last part of the endpoint's path.
    var pathComponent: String {
        switch self {
        case .append: "msgapp"
        case .message: "message"
        }
    }

    /// etcd's name in log lines.
    var description: String {
        switch self {
        case .append: "stream MsgApp v2"
        case .message: "stream Message"
        }
    }
}
