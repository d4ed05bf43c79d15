// The members of a new cluster as the configuration names them, and etcd's checks on them. They matter only while
// the member has no data: bootstrap asks, a restart does not.
import ServerLog

/// A member of the initial cluster.
package struct InitialMember: Sendable, Equatable {
    package let name: String
    /// Sorted by text.
    package let peerURLs: [EndpointURL]
}

extension ServerConfiguration {
    /// `--initial-cluster`, members sorted by name; a name may stand there several times, once per URL.
    package func initialMembers() throws(ConfigurationError) -> [InitialMember] {
        var urlTexts: [String: [String]] = [:]
        for entry in cluster.initialCluster.split(separator: ",") {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            urlTexts[String(parts[0]), default: []].append(parts.count == 2 ? String(parts[1]) : "")
        }
        var members: [InitialMember] = []
        for (name, texts) in urlTexts.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            do throws(EndpointURLError) {
                members.append(InitialMember(name: name, peerURLs: try EndpointURL.list(texts)))
            } catch {
                throw ConfigurationError("error setting up initial cluster: \(error.description)")
            }
        }
        return members
    }

    /// The entry of a cluster made of this member alone.
    var initialClusterFromName: String {
        let name = name.isEmpty ? Self.defaultName : name
        return listen.advertisePeerURLs.map { "\(name)=\($0)" }.joined(separator: ",")
    }

    /// The checks before a new cluster is bootstrapped.
    /// - Parameter resolve: puts a host's address in its place; nil if nobody knows the host. May block.
    /// - Returns: the members.
    package func checkedBootstrapMembers(
        resolving resolve: (EndpointURL) -> EndpointURL? = { $0 }
    ) throws(ConfigurationError) -> [InitialMember] {
        let members = try initialMembers()
        let local = try localMember(of: members)
        try checkAdvertised(local, resolve)
        try checkDuplicates(members)
        return members
    }

    /// The checks before this member joins a running cluster.
    /// - Returns: the members.
    package func checkedJoinMembers() throws(ConfigurationError) -> [InitialMember] {
        let members = try initialMembers()
        _ = try localMember(of: members)
        try checkDuplicates(members)
        if !cluster.discovery.endpoints.isEmpty {
            throw ConfigurationError("discovery URL should not be set when joining existing initial cluster")
        }
        return members
    }

    private func localMember(of members: [InitialMember]) throws(ConfigurationError) -> InitialMember {
        guard let local = members.first(where: { $0.name == name }) else {
            throw ConfigurationError("couldn't find local name \(goQuoted(name)) in the initial cluster configuration")
        }
        return local
    }

    /// What the member tells others must be what the cluster is told, by the addresses that names stand for.
    private func checkAdvertised(
        _ local: InitialMember,
        _ resolve: (EndpointURL) -> EndpointURL?
    ) throws(ConfigurationError) {
        let configured = local.peerURLs.map(\.description)
        let advertised = listen.advertisePeerURLs.map(\.description).sorted()
        if configured == advertised { return }
        var reason = "len(\(Self.quotedList(advertised))) != len(\(Self.quotedList(configured)))"
        if configured.count == advertised.count {
            let ours = listen.advertisePeerURLs.compactMap { resolve($0)?.description }.sorted()
            let theirs = local.peerURLs.compactMap { resolve($0)?.description }.sorted()
            if ours.count < advertised.count || theirs.count < configured.count {
                reason = "context deadline exceeded"
            } else if let (one, other) = zip(ours, theirs).first(where: { $0 != $1 }) {
                reason = "resolved urls: \(goQuoted(one)) != \(goQuoted(other))"
            } else {
                return
            }
        }
        let notAdvertised = configured.filter { !advertised.contains($0) }
        if !notAdvertised.isEmpty {
            let missing = notAdvertised.map { "\(name)=\($0)" }.joined(separator: ",")
            throw ConfigurationError(
                "--initial-cluster has \(missing) but missing from "
                    + "--initial-advertise-peer-urls=\(advertised.joined(separator: ",")) (\(reason))"
            )
        }
        let notConfigured = advertised.filter { !configured.contains($0) }
        let cluster = advertised.map { "\(name)=\($0)" }.joined(separator: ",")
        throw ConfigurationError(
            "--initial-advertise-peer-urls has \(notConfigured.joined(separator: ",")) but missing from "
                + "--initial-cluster=\(cluster)"
        )
    }

    private func checkDuplicates(_ members: [InitialMember]) throws(ConfigurationError) {
        var seen: Set<String> = []
        for url in members.flatMap(\.peerURLs) where !seen.insert(url.description).inserted {
            let all = members.flatMap { member in member.peerURLs.map { "\(member.name)=\($0)" } }.sorted()
            throw ConfigurationError("initial cluster \(all.joined(separator: ",")) has duplicate url")
        }
    }

    private static func quotedList(_ texts: [String]) -> String {
        "[" + texts.map(goQuoted).joined(separator: " ") + "]"
    }
}
