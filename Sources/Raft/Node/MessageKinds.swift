// What raft needs to know of a message before it looks inside.

import RaftWire

extension MessageType {
    /// Whether only the member itself sends it to itself: peers must not.
    package var isLocal: Bool {
        switch self {
        case .hup, .beat, .unreachable, .snapshotStatus, .checkQuorum, .storageAppend, .storageAppendResponse,
            .storageApply, .storageApplyResponse:
            true
        default: false
        }
    }

    /// Whether it answers something, and so comes from somebody this member knows.
    package var isResponse: Bool {
        switch self {
        case .appendResponse, .voteResponse, .heartbeatResponse, .unreachable, .readIndexResponse, .preVoteResponse,
            .storageAppendResponse, .storageApplyResponse:
            true
        default: false
        }
    }

    /// Whether its meaning depends on the sender's term.
    var belongsToTerm: Bool {
        switch self {
        case .append, .appendResponse, .vote, .voteResponse, .snapshot, .heartbeat, .heartbeatResponse, .timeoutNow,
            .preVote, .preVoteResponse:
            true
        default: false
        }
    }

    /// Whether a member tells it itself, once what it rests on is saved.
    var goesToOneself: Bool {
        switch self {
        case .appendResponse, .voteResponse, .preVoteResponse: true
        default: false
        }
    }
}
