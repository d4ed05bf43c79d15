// The headers with which members tell each other who they are, and the checks on them.

import Base
import NIOHTTP1

enum PeerHeader {
    static let from = "X-Server-From"
    static let version = "X-Server-Version"
    static let minimumVersion = "X-Min-Cluster-Version"
    static let cluster = "X-Etcd-Cluster-ID"
    static let to = "X-Raft-To"
    static let peerURLs = "X-PeerURLs"

    /// What a member without a version header is: the first release had none.
    static let oldestVersion = SemanticVersion(2, 0, 0)

    /// A hexadecimal identifier as Go's `strconv.ParseUint` reads it: no sign.
    static func identifier(_ text: some StringProtocol) -> UInt64? {
        guard text.utf8.first != UInt8(ascii: "+"), text.utf8.first != UInt8(ascii: "-") else { return nil }
        return UInt64(text, radix: 16)
    }
}

/// The one who asks, as far as headers tell.
struct PeerIdentity {
    var from: MemberID?
    var version: SemanticVersion
    var minimumVersion: SemanticVersion
    /// As it was written: compared as text.
    var clusterID: String
    var raftTo: String
    var peerURLs: [String]

    init(_ headers: HTTPHeaders) {
        from = headers.first(name: PeerHeader.from).flatMap { PeerHeader.identifier($0) }
        // What cannot be read is as good as missing.
        version = headers.first(name: PeerHeader.version).flatMap { SemanticVersion($0) } ?? PeerHeader.oldestVersion
        minimumVersion = headers.first(name: PeerHeader.minimumVersion).flatMap { SemanticVersion($0) } ?? PeerHeader.oldestVersion
        clusterID = headers.first(name: PeerHeader.cluster) ?? ""
        raftTo = headers.first(name: PeerHeader.to) ?? ""
        let urls = headers.first(name: PeerHeader.peerURLs) ?? ""
        peerURLs = urls.isEmpty ? [] : urls.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}

/// Why two members don't work together; the texts are the protocol's.
enum PeerMismatch: String, Error {
    case incompatibleVersion = "incompatible version"
    case clusterID = "cluster ID mismatch"
}

extension PeerTransportSettings {
    /// Whether `identity` may be a member of this cluster.
    func check(_ identity: PeerIdentity) -> PeerMismatch? {
        let remoteIsTooOld = identity.version.withoutPatch < minimumClusterVersion.withoutPatch
        let localIsTooOld = serverVersion.withoutPatch < identity.minimumVersion.withoutPatch
        if remoteIsTooOld || localIsTooOld { return .incompatibleVersion }
        return identity.clusterID == hexadecimal(clusterID) ? nil : .clusterID
    }

    /// The headers of every request between members.
    func requestHeaders(contentType: String? = nil, to remote: MemberID? = nil) -> HTTPHeaders {
        var headers = HTTPHeaders()
        if let contentType { headers.add(name: "Content-Type", value: contentType) }
        headers.add(name: PeerHeader.from, value: hexadecimal(localID))
        headers.add(name: PeerHeader.version, value: serverVersion.description)
        headers.add(name: PeerHeader.minimumVersion, value: minimumClusterVersion.description)
        headers.add(name: PeerHeader.cluster, value: hexadecimal(clusterID))
        if let remote { headers.add(name: PeerHeader.to, value: hexadecimal(remote)) }
        if !peerURLs.isEmpty { headers.add(name: PeerHeader.peerURLs, value: peerURLs.joined(separator: ",")) }
        return headers
    }
}
