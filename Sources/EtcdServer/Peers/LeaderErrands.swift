// Carries questions to the leader, over its peer URLs one after the other.

import Base
import EtcdAPI
import Membership
import NIOCore
import NIOHTTP1
import PeerTransport
import Raft

/// Confined to the member's loop.
final class LeaderErrands {
    private unowned let member: MemberLoop
    /// For a renewal, which waits for a second at most at the leader.
    private static let timeout: TimeAmount = .seconds(5)

    init(_ member: MemberLoop) {
        self.member = member
    }

    func run(_ token: UInt64, _ errand: LeaderErrand) {
        guard let client = member.transport?.client else { return finish(token, .unreachable) }
        let urls = member.membership.member(member.raftStatus.lead)?.peerURLs ?? []
        let request = PeerErrandRequest(errand)
        client.request(
            "POST", oneOf: urls, path: request.path, headers: request.headers, body: request.body, timeout: Self.timeout
        ) { [weak self] response in
            self?.finish(token, response.map { .answered(status: $0.status, body: $0.body) } ?? .unreachable)
        }
    }

    private func finish(_ token: UInt64, _ answer: LeaderAnswer) {
        if case .unreachable = answer {
            // Not again before the next tick.
            return member.lane.retry { [weak member] in member?.lane.errandDone(token, answer) }
        }
        member.lane.errandDone(token, answer)
        member.scheduleTurn()
    }
}

private struct PeerErrandRequest {
    var path: String
    var headers: HTTPHeaders = ["Content-Type": "application/protobuf"]
    var body = Bytes()

    init(_ errand: LeaderErrand) {
        switch errand {
        case .renewLease(let id):
            path = "/leases"
            body = LeaseQuery(id, wantsKeys: false).encoded
        case .timeToLive(let id, let wantsKeys):
            path = "/leases/internal"
            body = LeaseQuery(id, wantsKeys: wantsKeys).internalRequest
        case .promote(let id, let token):
            path = "/members/promote/\(id)"
            headers = [:]
            if let token { headers.add(name: "Authorization", value: token) }
        }
    }
}
