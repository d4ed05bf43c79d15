// Carries questions to the leader, over its peer URLs one after the other.

import Raft
import Base
import EtcdAPI
import Membership
import NIOCore
import NIOHTTP1
import PeerTransport
import Wire

/// Confined to the member's loop.
final class LeaderErrands {
    private unowned let member: MemberLoop
    /// For a renewal, which waits for a second at most at the leader.
    private static let timeout: TimeAmount = .seconds(5)

    init(_ member: MemberLoop) {
        self.member = member
    }

    func run(_ token: UInt64, _ errand: LeaderErrand) {
        let lead = member.raftStatus.lead
        let urls = member.membership.member(lead)?.peerURLs.compactMap { PeerURL($0) } ?? []
        attempt(token, errand, urls[...])
    }

    private func attempt(_ token: UInt64, _ errand: LeaderErrand, _ urls: ArraySlice<PeerURL>) {
        guard let url = urls.first, let client = member.transport?.client else { return finish(token, .unreachable) }
        let request = PeerErrandRequest(errand)
        client.request("POST", url, path: request.path, headers: request.headers, body: request.body, timeout: Self.timeout)
            .assumeIsolated().whenComplete { [weak self] result in
                switch result {
                case .success(let response): self?.finish(token, .answered(status: response.status, body: response.body))
                case .failure: self?.attempt(token, errand, urls.dropFirst())
                }
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
            var writer = WireWriter()
            writer.field(1, id)
            body = writer.bytes
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
