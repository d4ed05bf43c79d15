// A request of a simulated client, and what it was told.

import Base
import EtcdWire
import Membership

struct ClientOperation {
    enum Kind {
        case put(PutRequest)
        case delete(DeleteRangeRequest)
        case txn(TxnRequest)
        case grant(LeaseGrantRequest)
        case revoke(LeaseRevokeRequest)
        case compact(CompactionRequest)
        case addMember(slot: Int, asLearner: Bool)
        case promote(Member)
        case removeMember(UInt64)
        case read(Bytes)
        case renew(LeaseID)
    }

    var client: Int
    var slot: Int
    var kind: Kind
    var askedAt: VirtualTime
    /// The highest revision that anybody had been told when it was asked.
    var floor: Int64
}

enum WaitingBarrier {
    case read(operation: UInt64)
}
