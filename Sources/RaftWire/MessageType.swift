// The kinds of raft messages; the numbers are the protocol's.

package enum MessageType: Int, Sendable, Hashable, CaseIterable {
    case hup = 0
    case beat
    case propose
    case append
    case appendResponse
    case vote
    case voteResponse
    case snapshot
    case heartbeat
    case heartbeatResponse
    case unreachable
    case snapshotStatus
    case checkQuorum
    case transferLeader
    case timeoutNow
    case readIndex
    case readIndexResponse
    case preVote
    case preVoteResponse
    case storageAppend
    case storageAppendResponse
    case storageApply
    case storageApplyResponse
    case forgetLeader
}

extension MessageType: CustomStringConvertible {
    /// The protocol's name for it.
    package var description: String {
        switch self {
        case .hup: "MsgHup"
        case .beat: "MsgBeat"
        case .propose: "MsgProp"
        case .append: "MsgApp"
        case .appendResponse: "MsgAppResp"
        case .vote: "MsgVote"
        case .voteResponse: "MsgVoteResp"
        case .snapshot: "MsgSnap"
        case .heartbeat: "MsgHeartbeat"
        case .heartbeatResponse: "MsgHeartbeatResp"
        case .unreachable: "MsgUnreachable"
        case .snapshotStatus: "MsgSnapStatus"
        case .checkQuorum: "MsgCheckQuorum"
        case .transferLeader: "MsgTransferLeader"
        case .timeoutNow: "MsgTimeoutNow"
        case .readIndex: "MsgReadIndex"
        case .readIndexResponse: "MsgReadIndexResp"
        case .preVote: "MsgPreVote"
        case .preVoteResponse: "MsgPreVoteResp"
        case .storageAppend: "MsgStorageAppend"
        case .storageAppendResponse: "MsgStorageAppendResp"
        case .storageApply: "MsgStorageApply"
        case .storageApplyResponse: "MsgStorageApplyResp"
        case .forgetLeader: "MsgForgetLeader"
        }
    }
}
