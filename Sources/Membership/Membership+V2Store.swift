// Membership as the tree of the v2 store: the content of `.snap` files, from which members before 3.6 start.
//
// Only the parts that carry membership are kept; 3.6 and later write nothing else, and refuse anything else.

package import Base

extension Membership {
    /// The tree with this membership, as etcd 3.6 and 3.7 write it into a snapshot.
    package var v2Snapshot: Bytes {
        var memberNodes: [(String, JSONValue)] = []
        for member in members {
            let path = "/0/members/\(hexadecimal(member.id))"
            memberNodes.append(
                (
                    hexadecimal(member.id),
                    Self.directory(path, [
                        ("attributes", Self.leaf(path + "/attributes", text(member.attributesJSON))),
                        ("raftAttributes", Self.leaf(path + "/raftAttributes", text(member.raftAttributesJSON))),
                    ])
                )
            )
        }
        let removedNodes = removed.sorted().map { id in
            (hexadecimal(id), Self.leaf("/0/removed_members/\(hexadecimal(id))", "removed"))
        }
        var zero: [(String, JSONValue)] = [
            ("members", Self.directory("/0/members", memberNodes)),
            ("removed_members", Self.directory("/0/removed_members", removedNodes)),
        ]
        if let clusterVersion {
            zero.append(("version", Self.leaf("/0/version", clusterVersion.description)))
        }
        let root = Self.directory("/", [("0", Self.directory("/0", zero)), ("1", Self.directory("/1", []))])
        return Bytes(
            JSONValue.object([
                "Root": root, "WatcherHub": Self.watcherHub, "CurrentIndex": .unsigned(0), "Stats": Self.statistics,
                "CurrentVersion": .unsigned(2),
            ]).encoded
        )
    }

    private func text(_ json: JSONValue) -> String { String(decoding: json.encoded, as: UTF8.self) }

    private static func directory(_ path: String, _ children: [(String, JSONValue)]) -> JSONValue {
        node(path, "", .object(children.map { JSONValue.Member(key: $0.0, value: $0.1) }))
    }

    private static func leaf(_ path: String, _ value: String) -> JSONValue { node(path, value, .null) }

    private static func node(_ path: String, _ value: String, _ children: JSONValue) -> JSONValue {
        .object([
            "Path": .string(path), "CreatedIndex": .unsigned(0), "ModifiedIndex": .unsigned(0),
            "ExpireTime": .string("0001-01-01T00:00:00Z"), "Value": .string(value), "Children": children,
        ])
    }

    private static let watcherHub = JSONValue.object([
        "EventHistory": .object([
            "Queue": .object([
                "Events": .array(Array(repeating: .null, count: 1000)), "Size": .unsigned(0), "Front": .unsigned(0),
                "Back": .unsigned(0), "Capacity": .unsigned(1000),
            ]),
            "StartIndex": .unsigned(0), "LastIndex": .unsigned(0),
        ])
    ])

    private static let statistics = JSONValue.object(
        [
            "getsSuccess", "getsFail", "setsSuccess", "setsFail", "deleteSuccess", "deleteFail", "updateSuccess", "updateFail",
            "createSuccess", "createFail", "compareAndSwapSuccess", "compareAndSwapFail", "compareAndDeleteSuccess",
            "compareAndDeleteFail", "expireCount", "watchers",
        ].map { JSONValue.Member(key: $0, value: .unsigned(0)) }
    )
}

/// A change that a member before 3.6 wrote into the log as a request to the v2 store.
package enum V2MembershipChange: Sendable, Equatable {
    case attributes(MemberID, name: String, clientURLs: [String])
    case clusterVersion(SemanticVersion)
    /// A request on v2 keys or anything else that is no membership: nothing to do for us.
    case unrelated

    /// What a PUT of `value` at `path` means.
    package init(path: String, value: String) {
        let parts = path.split(separator: "/")
        let json = try? JSONValue(parsing: Bytes(value))
        if parts.count == 4, parts[0] == "0", parts[1] == "members", parts[3] == "attributes",
            let id = UInt64(parts[2], radix: 16), let json
        {
            self = .attributes(id, name: json["name"]?.string ?? "", clientURLs: Member.texts(json["clientURLs"]))
        } else if path == "/0/version", let version = SemanticVersion(value) {
            self = .clusterVersion(version)
        } else {
            self = .unrelated
        }
    }
}

extension Membership {
    /// The membership that a `.snap` file's tree holds, or nil if the text is no such tree.
    package init?(clusterID: ClusterID, localID: MemberID, v2Snapshot: Bytes) {
        guard let tree = try? JSONValue(parsing: v2Snapshot), let zero = tree["Root"]?["Children"]?["0"]?["Children"] else {
            return nil
        }
        self.init(clusterID: clusterID, localID: localID)
        for entry in zero["members"]?["Children"]?.members ?? [] {
            guard let id = UInt64(entry.key, radix: 16), let leaves = entry.value["Children"],
                let text = leaves["raftAttributes"]?["Value"]?.string,
                let attributes = try? JSONValue(parsing: Bytes(text))
            else { return nil }
            var member = Member(
                id: id,
                peerURLs: Member.texts(attributes["peerURLs"]),
                isLearner: attributes["isLearner"]?.bool ?? false
            )
            if let text = leaves["attributes"]?["Value"]?.string, let json = try? JSONValue(parsing: Bytes(text)) {
                member.readAttributes(json)
            }
            insert(member)
        }
        for entry in zero["removed_members"]?["Children"]?.members ?? [] {
            guard let id = UInt64(entry.key, radix: 16) else { return nil }
            remove(id)
        }
        if let text = zero["version"]?["Value"]?.string { clusterVersion = SemanticVersion(text) }
    }
}
