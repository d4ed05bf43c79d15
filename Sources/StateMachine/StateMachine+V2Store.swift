// Names and client URLs that members before 3.6 keep in their v2 store only: early releases of 3.5 do not write them into
// the database file, so the file alone would tell of members that never started.

import Backend
package import Base
import EtcdWire
import Membership
package import RaftWire
import Wire

extension StateMachine {
    /// Takes over what the v2 store knew of the members and of the cluster's version at the file's index. A file with a
    /// storage version, which 3.6 and later give it, knows everything itself and stays as it is.
    ///
    /// - Parameters:
    ///   - tree: the data of the snapshot before `entries`, asked for only if needed; none, or one that is no such tree,
    ///     tells nothing.
    ///   - entries: those behind the snapshot that the file holds already, in order.
    package mutating func adoptV2Store(_ tree: @autoclosure () -> Bytes, entries: some Sequence<Entry> = EmptyCollection()) {
        guard storageVersion == nil else { return }
        var attributes: [MemberID: (name: String, clientURLs: [String])] = [:]
        var version: SemanticVersion?
        if let old = Membership(clusterID: membership.clusterID, localID: membership.localID, v2Snapshot: tree()) {
            for member in old.members where member.isStarted { attributes[member.id] = (member.name, member.clientURLs) }
            version = old.clusterVersion
        }
        for entry in entries where entry.type == .normal && !entry.data.isEmpty {
            switch Self.membershipChange(entry) {
            case .attributes(let id, let name, let clientURLs): attributes[id] = (name, clientURLs)
            case .clusterVersion(let set): version = set
            case .unrelated: break
            }
        }
        for (id, known) in attributes.sorted(by: { $0.key < $1.key }) {
            guard let member = membership.member(id), (member.name, member.clientURLs) != known else { continue }
            let changed = membership.update(id) { ($0.name, $0.clientURLs) = known }
            if let changed { save(changed) }
        }
        if let version, membership.clusterVersion.map({ $0 < version }) ?? true {
            membership.clusterVersion = version
            backend.put(.cluster, key: Membership.clusterVersionKey, value: Bytes(version.description))
        }
    }

    private static func membershipChange(_ entry: Entry) -> V2MembershipChange {
        if let request = try? InternalRaftRequest(decoding: entry.data) {
            switch request.body {
            case .clusterMemberAttributesSet(let set):
                return .attributes(
                    set.memberID, name: set.attributes?.name ?? "", clientURLs: set.attributes?.clientURLs ?? [])
            case .clusterVersionSet(let set): return SemanticVersion(set.version).map { .clusterVersion($0) } ?? .unrelated
            default: return .unrelated
            }
        }
        return legacyChange(entry) ?? .unrelated
    }

    /// What an entry of a member before 3.6, a request to the v2 store, means for the membership; nil if it is no such
    /// request.
    static func legacyChange(_ entry: Entry) -> V2MembershipChange? {
        guard let request = try? LegacyRequest(decoding: entry.data) else { return nil }
        return request.method == "PUT" ? V2MembershipChange(path: request.path, value: request.value) : .unrelated
    }
}
