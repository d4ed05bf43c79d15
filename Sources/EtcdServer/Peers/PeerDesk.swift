// What members ask each other besides raft: who belongs to the cluster, which version, leases, hashes, promotions.

import Base
import BBolt
import EtcdAPI
import EtcdWire
import Lease
import Membership
import MVCC
import NIOHTTP1
import PeerTransport
import Raft
import Replica
import StateMachine
import Wire

/// Confined to the member's loop.
final class PeerDesk {
    private unowned let member: MemberLoop
    private static let leaseBodyBytesMax = 64 << 10
    private static let promotePrefix = "/members/promote/"

    init(_ member: MemberLoop) {
        self.member = member
    }

    func answer(_ request: PeerRequest, _ reply: PeerReply) {
        switch request.path {
        case "/members": reply(members(request))
        case "/version": reply(version(request))
        case "/leases", "/leases/internal": lease(request, reply)
        case "/members/hashkv": hash(request, reply)
        case "/downgrade/enabled": downgrade(request, reply)
        default:
            guard request.path.hasPrefix(Self.promotePrefix) else { return reply(.notFound) }
            promote(request, reply)
        }
        member.scheduleTurn()
    }

    private var clusterHeader: HTTPHeaders { ["X-Etcd-Cluster-ID": hexadecimal(member.clusterID)] }

    private func json(_ value: JSONValue, _ headers: HTTPHeaders = [:]) -> PeerResponse {
        .json(200, Bytes(value.encoded + [UInt8(ascii: "\n")]), headers: headers)
    }

    // MARK: Members and versions

    private func members(_ request: PeerRequest) -> PeerResponse {
        guard request.method == "GET" else { return .methodNotAllowed("GET") }
        return json(.array(member.membership.members.map(\.json)), clusterHeader)
    }

    private func version(_ request: PeerRequest) -> PeerResponse {
        guard request.method == "GET" else { return .methodNotAllowed("GET") }
        return .json(200, member.versionReport)
    }

    private func downgrade(_ request: PeerRequest, _ reply: PeerReply) {
        guard request.method == "GET" else { return reply(.methodNotAllowed("GET")) }
        member.lane.whenCurrent { [member, clusterHeader] outcome in
            switch outcome {
            case .failure(let error):
                reply(.text(500, "failed linearized read: \(error.message)", headers: clusterHeader))
            case .success:
                let text = member.membership.downgrade.isEnabled ? "true" : "false"
                var headers = clusterHeader
                headers.replaceOrAdd(name: "Content-Type", value: "text/plain")
                reply(PeerResponse(status: 200, headers: headers, body: Bytes(text)))
            }
        }
    }

    private func promote(_ request: PeerRequest, _ reply: PeerReply) {
        guard request.method == "POST" else { return reply(.methodNotAllowed("POST")) }
        let text = String(request.path.dropFirst(Self.promotePrefix.count))
        let headers = clusterHeader
        guard let id = UInt64(text) else { return reply(.text(404, "member \(text) not found in cluster", headers: headers)) }
        let token = request.headers.first(name: "Authorization").map(CallMetadata.token(inField:))
        member.lane.promote(id, CallMetadata(token: token)) { [self] outcome in
            switch outcome {
            case .success(let members): reply(json(.array(members.map(\.json)), headers))
            case .failure(.memberNotFound): reply(.text(404, "membership: ID not found", headers: headers))
            case .failure(.memberNotLearner):
                reply(.text(412, "membership: can only promote a learner member", headers: headers))
            case .failure(.learnerNotReady): reply(.text(412, EtcdError.learnerNotReady.message, headers: headers))
            case .failure(.timeout): reply(.text(408, EtcdError.timeout.message, headers: headers))
            case .failure(let error): reply(.text(500, error.message, headers: headers))
            }
        }
    }

    // MARK: Leases: the leader's own knowledge

    private func lease(_ request: PeerRequest, _ reply: PeerReply) {
        guard request.method == "POST" else { return reply(.text(405, "Method Not Allowed")) }
        if request.body.count > Self.leaseBodyBytesMax { return reply(.text(413, "request body too large")) }
        let query: LeaseQuery
        do throws(WireError) {
            query = request.path == "/leases" ? try LeaseQuery(request.body) : try LeaseQuery(internalRequest: request.body)
        } catch {
            return reply(.text(400, "error unmarshalling request"))
        }
        member.lane.answerLease(query, isRenewal: request.path == "/leases", now: MemberLoop.now()) { [self] answer in
            switch answer {
            case .answered(200, let body): reply(protobuf(body))
            case .answered(let status, let reason): reply(.text(status, reason.description))
            case .unreachable: reply(.text(500, "not a primary lessor"))
            }
        }
    }

    private func protobuf(_ body: Bytes) -> PeerResponse {
        PeerResponse(status: 200, headers: ["Content-Type": "application/protobuf"], body: body)
    }

    // MARK: Hashes

    private func hash(_ request: PeerRequest, _ reply: PeerReply) {
        guard request.method == "GET" else { return reply(.methodNotAllowed("GET")) }
        if let asked = request.headers.first(name: "X-Etcd-Cluster-ID"), asked != hexadecimal(member.clusterID) {
            return reply(.text(412, "cluster ID mismatch"))
        }
        guard let revision = Self.hashRevision(request.body) else { return reply(.text(400, "error unmarshalling request")) }
        let view = member.view
        let answer: (Result<HashKVResult, MVCCError>) -> Void = { [self] outcome in
            switch outcome {
            case .success(let hash):
                let object = JSONValue.object([
                    "header": .object(["revision": .signed(view.latestRevision)]),
                    "hash": .unsigned(UInt64(hash.hash)), "compact_revision": .signed(hash.compactRevision),
                    "hash_revision": .signed(hash.revision),
                ])
                reply(.json(200, Bytes(object.encoded), headers: clusterHeader))
            case .failure(.compacted): reply(.text(400, "mvcc: required revision has been compacted"))
            case .failure(.futureRevision): reply(.text(400, "mvcc: required revision is a future revision"))
            case .failure(let error): reply(.text(400, EtcdError(error).message))
            }
        }
        member.lane.hash(view, at: revision, answer)
    }

    /// The revision a question names, 0 for the newest; nil where Go's decoder finds no such question.
    private static func hashRevision(_ body: Bytes) -> Int64? {
        guard let json = try? JSONValue(parsing: body) else { return nil }
        guard case .object = json else { return json == .null ? 0 : nil }
        switch json["revision"] {
        case nil, .null: return 0
        case .signed(let revision): return revision
        case .unsigned(let revision): return Int64(exactly: revision)
        default: return nil
        }
    }
}
