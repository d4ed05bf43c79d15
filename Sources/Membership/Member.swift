// One member of the cluster, with its identifier's arithmetic and the JSON in which etcd stores and ships it.

package import Base

/// A participant of the cluster, voting or learning.
package struct Member: Sendable, Equatable {
    package var id: MemberID
    /// Empty until the member has started once and published itself.
    package var name: String
    /// Sorted.
    package var peerURLs: [String]
    /// Empty until published.
    package var clientURLs: [String]
    package var isLearner: Bool

    package init(id: MemberID, name: String = "", peerURLs: [String], clientURLs: [String] = [], isLearner: Bool = false) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }

    /// Whether the member has ever published itself.
    package var isStarted: Bool { !name.isEmpty }

    /// The identifier etcd derives: the first eight bytes of SHA-1 over the sorted peer URLs, the cluster's token and,
    /// for members added to a living cluster, the wall clock in seconds as decimal text.
    package static func identifier(peerURLs: [String], token: String, addedAt unixSeconds: Int64? = nil) -> MemberID {
        var material = peerURLs.sorted().joined() + token
        if let unixSeconds { material += String(unixSeconds) }
        return leadingBigEndian(sha1(Array(material.utf8)))
    }

    /// The cluster's identifier: the same over its first members' identifiers, ascending, eight bytes each.
    package static func clusterIdentifier(of members: [MemberID]) -> ClusterID {
        let material = members.sorted().flatMap { id in withUnsafeBytes(of: id.bigEndian) { Array($0) } }
        return leadingBigEndian(sha1(material))
    }

    private static func leadingBigEndian(_ digest: [UInt8]) -> UInt64 {
        digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

// MARK: - JSON

extension Member {
    /// As in the `members` bucket, in `/members` on the peer port and in contexts of configuration changes.
    package var json: JSONValue {
        .object([.init(key: "id", value: .unsigned(id))] + raftAttributes + attributes)
    }

    /// What raft must know: `{"peerURLs":[…],"isLearner":true}`.
    package var raftAttributesJSON: JSONValue { .object(raftAttributes) }

    /// What the member says of itself: `{"name":…,"clientURLs":[…]}`.
    package var attributesJSON: JSONValue { .object(attributes) }

    private var raftAttributes: [JSONValue.Member] {
        [.init(key: "peerURLs", value: .array(peerURLs.map { .string($0) }))]
            + (isLearner ? [.init(key: "isLearner", value: .bool(true))] : [])
    }

    private var attributes: [JSONValue.Member] {
        (name.isEmpty ? [] : [.init(key: "name", value: .string(name))])
            + (clientURLs.isEmpty ? [] : [.init(key: "clientURLs", value: .array(clientURLs.map { .string($0) }))])
    }

    /// The member in a JSON object with an `id`, or nil if it holds none.
    package init?(json: JSONValue) {
        guard let id = json["id"]?.unsigned else { return nil }
        self.init(id: id, json: json)
    }

    private init(id: MemberID, json: JSONValue) {
        self.init(
            id: id,
            name: json["name"]?.string ?? "",
            peerURLs: Self.texts(json["peerURLs"]),
            clientURLs: Self.texts(json["clientURLs"]),
            isLearner: json["isLearner"]?.bool ?? false
        )
    }

    mutating func readAttributes(_ json: JSONValue) {
        name = json["name"]?.string ?? ""
        clientURLs = Self.texts(json["clientURLs"])
    }

    static func texts(_ json: JSONValue?) -> [String] {
        json?.array?.compactMap(\.string) ?? []
    }
}

/// The context of a configuration change that adds or promotes a member.
package struct ConfigurationChangeContext: Sendable, Equatable {
    package var member: Member
    package var isPromotion: Bool

    package init(member: Member, isPromotion: Bool = false) {
        self.member = member
        self.isPromotion = isPromotion
    }

    package init?(json: JSONValue) {
        guard let member = Member(json: json) else { return nil }
        self.init(member: member, isPromotion: json["isPromote"]?.bool ?? false)
    }

    package var json: JSONValue {
        .object((member.json.members ?? []) + [.init(key: "isPromote", value: .bool(isPromotion))])
    }
}
