// Before a member without data begins: what members that run already say of the cluster. Blocks; not on the loop.

import Base
import Membership
import NIOCore
import NIOHTTP1
import PeerTransport
import Replica
import ServerConfiguration
import ServerLog

struct ClusterLookup {
    private let client: NIOLoopBound<PeerHTTPClient>
    private let loop: any EventLoop
    private let logger: ServerLogger
    /// Each request's; etcd's.
    private static let timeout: TimeAmount = .seconds(10)

    /// - Parameter client: bound to the loop on which it makes its requests.
    init(_ client: NIOLoopBound<PeerHTTPClient>, _ loop: any EventLoop, _ logger: ServerLogger) {
        self.client = client
        self.loop = loop
        self.logger = logger
    }

    private func get(_ url: PeerURL, _ path: String, _ timeout: TimeAmount) -> Result<PeerResponse, any Error> {
        let client = client
        return Result { try loop.flatSubmit { client.value.request("GET", url, path: path, timeout: timeout) }.wait() }
    }

    // MARK: Questions

    /// The cluster to which the members of `members` other than `name` belong.
    func existingCluster(
        _ members: [InitialMember], name: String, learnersMax: Int, requestTimeout: TimeAmount
    ) throws(ServerStartError) -> ExistingCluster {
        let urls = members.filter { $0.name != name }.flatMap { $0.peerURLs.map(\.description) }.sorted()
        guard let cluster = fetch(urls, Self.timeout, isLoud: true) else {
            throw ServerStartError(
                description: "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs")
        }
        try match(members, cluster)
        guard let local = members.first(where: { $0.name == name }),
            let id = cluster.members.first(where: { isSame(local, $0, HostResolution(logger)) })?.id
        else {
            throw ServerStartError(
                description: "couldn't find local name \"\(name)\" in the initial cluster configuration"
            )
        }
        if !isCompatible(cluster.members.filter { $0.id != id }, requestTimeout) {
            throw ServerStartError(description: "incompatible with current running cluster")
        }
        let learners = cluster.members.count(where: \.isLearner)
        if learners > learnersMax {
            throw ServerStartError(
                description: "max learner members limit (\(learnersMax)) exceeded, current learners: \(learners)")
        }
        return cluster
    }

    /// Whether the cluster knows the member as one that has run before: its data must have been lost.
    func isBootstrapped(_ members: [InitialMember], name: String, id: MemberID, timeout: TimeAmount) -> Bool {
        let urls = members.filter { $0.name != name }.flatMap { $0.peerURLs.map(\.description) }.sorted()
        guard let cluster = fetch(urls, timeout, isLoud: false) else { return false }
        return cluster.members.contains { $0.id == id && !$0.clientURLs.isEmpty }
    }

    // MARK: Answers

    private func fetch(_ urls: [String], _ timeout: TimeAmount, isLoud: Bool) -> ExistingCluster? {
        for text in urls {
            guard let url = PeerURL(text) else { continue }
            let address = LogField.string("address", text + "/members")
            let response: PeerResponse
            switch get(url, "/members", timeout) {
            case .success(let answer): response = answer
            case .failure(let error):
                if isLoud { logger.warn("failed to get cluster response", [address, .error(error)]) }
                continue
            }
            guard let list = (try? JSONValue(parsing: response.body))?.array else {
                if isLoud { logger.warn("failed to unmarshal cluster response", [address]) }
                continue
            }
            guard let header = response.headers.first(name: "X-Etcd-Cluster-ID"), let id = UInt64(header, radix: 16) else {
                if isLoud { logger.warn("failed to parse cluster ID", [address]) }
                continue
            }
            let members = list.compactMap { Member(json: $0) }
            return members.isEmpty ? nil : ExistingCluster(id: id, members: members)
        }
        return nil
    }

    private func isSame(_ configured: InitialMember, _ member: Member, _ hosts: HostResolution) -> Bool {
        let urls = member.peerURLs.compactMap { try? EndpointURL.list($0).first }
        return urls.count == member.peerURLs.count && hosts.areEqual(configured.peerURLs, urls)
    }

    private func match(_ members: [InitialMember], _ cluster: ExistingCluster) throws(ServerStartError) {
        func fail(_ reason: String) -> ServerStartError {
            let names = cluster.members.map { "\(hexadecimal($0.id))=\($0.peerURLs.joined(separator: ","))" }
            return ServerStartError(
                description: "error validating peerURLs {ClusterID:\(hexadecimal(cluster.id)) Members:[\(names.joined(separator: " "))] RemovedMemberIDs:[]}: \(reason)")
        }
        if cluster.members.count != members.count { throw fail("member count is unequal") }
        let hosts = HostResolution(logger)
        for member in cluster.members where !members.contains(where: { isSame($0, member, hosts) }) {
            throw fail(
                "PeerURLs: no match found for existing member (\(hexadecimal(member.id)), [\(member.peerURLs.joined(separator: " "))]), last resolver error (<nil>)")
        }
    }

    /// Some member's cluster version must be one this program can join, and none may be above.
    private func isCompatible(_ others: [Member], _ timeout: TimeAmount) -> Bool {
        let own = SemanticVersion.server.withoutPatch
        var isDowngrading = false
        for member in others {
            guard let answer = first(member, "/downgrade/enabled", timeout) else { continue }
            isDowngrading = answer.body.description == "true"
            break
        }
        let lowest = isDowngrading ? SemanticVersion(own.major, own.minor + 1) : VersionRules.floor
        let highest = isDowngrading ? lowest : own
        var isKnown = false
        for member in others {
            guard let answer = first(member, "/version", timeout), let json = try? JSONValue(parsing: answer.body),
                let version = json["etcdcluster"]?.string.flatMap({ SemanticVersion($0) })
            else { continue }
            if version < lowest || version > highest {
                logger.warn(
                    "cluster version of remote member is not compatible; too \(version < lowest ? "low" : "high")",
                    [
                        .string("remote-member-id", hexadecimal(member.id)),
                        .string("remote-member-cluster-version", version.description),
                    ])
                return false
            }
            isKnown = true
        }
        return isKnown
    }

    private func first(_ member: Member, _ path: String, _ timeout: TimeAmount) -> PeerResponse? {
        for url in member.peerURLs.compactMap({ PeerURL($0) }) {
            switch get(url, path, timeout) {
            case .success(let answer) where answer.status == 200: return answer
            case .success: continue
            case .failure(let error):
                logger.warn(
                    "failed to reach the peer URL",
                    [
                        .string("address", url.description + path), .string("remote-member-id", hexadecimal(member.id)),
                        .error(error),
                    ])
            }
        }
        return nil
    }
}
