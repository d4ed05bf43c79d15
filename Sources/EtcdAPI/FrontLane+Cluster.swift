// The cluster service, as far as a cluster of one has it, and the health service.

import Base
import EtcdWire
import Membership
import Wire

extension FrontLane {
    func cluster(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        let fields = try decode { () throws(WireError) in try MemberRequest(request) }
        switch rpc {
        case .memberList:
            try member.authorize(.anyUser, metadata)
            let answer: () -> Void = { [self] in sink.succeed(message(nil, memberList(field: 2))) }
            if fields.isLinearizable {
                afterBarrier(
                    .task { outcome in
                        if case .failure(let error) = outcome { sink.finish(error) } else { answer() }
                    })
            } else {
                answer()
            }
        case .memberAdd:
            if fields.peerURLs.isEmpty || !fields.peerURLs.allSatisfy(Self.isPeerURL) { throw .memberBadURLs }
            try member.authorize(.administration, metadata)
            if member.membership.members.contains(where: { $0.peerURLs.contains(where: fields.peerURLs.contains) }) {
                throw .peerURLExist
            }
            throw Self.notBuilt
        case .memberRemove, .memberUpdate, .memberPromote:
            if rpc == .memberUpdate, !fields.peerURLs.allSatisfy(Self.isPeerURL) { throw .memberBadURLs }
            try member.authorize(.administration, metadata)
            if member.membership.member(fields.id) == nil {
                if rpc == .memberPromote { tally.promotionFailures.append("membership: ID not found") }
                throw .memberNotFound
            }
            if rpc == .memberPromote {
                tally.promotionFailures.append("membership: can only promote a learner member")
                throw .memberNotLearner
            }
            throw Self.notBuilt
        default: throw .unknownMethod
        }
    }

    private static let notBuilt = EtcdError(
        code: .unimplemented, message: "etcdserver: clusters of several members are not built yet")

    /// As much of etcd's rule as text alone shows: a scheme, and a host with a port behind it.
    private static func isPeerURL(_ text: String) -> Bool {
        guard let scheme = ["http://", "https://", "unix://", "unixs://"].first(where: text.hasPrefix) else { return false }
        let host = text.dropFirst(scheme.count)
        return !host.contains("/") && host.contains(":") && host.last != ":"
    }

    private func memberList(field: Int) -> Bytes {
        var writer = WireWriter()
        for member in member.membership.members {
            var inner = WireWriter()
            inner.field(1, member.id)
            inner.field(2, member.name)
            for url in member.peerURLs { inner.explicit(3, url) }
            for url in member.clientURLs { inner.explicit(4, url) }
            inner.field(5, member.isLearner)
            writer.explicit(field, inner.bytes)
        }
        return writer.bytes
    }

    // MARK: Health

    func health(_ rpc: RPC, _ request: Bytes, _ sink: any ReplySink) throws(EtcdError) {
        var service = ""
        try decode { () throws(WireError) in
            var reader = WireReader(request)
            while let field = try reader.next() {
                if field.number == 1 { service = try reader.string(field) } else { try reader.skip(field) }
            }
        }
        let serving: Bytes = [0x08, 0x01]
        switch rpc {
        case .healthCheck:
            if !service.isEmpty { throw EtcdError(code: .notFound, message: "unknown service") }
            sink.succeed(serving)
        case .healthWatch:
            // The status does not change while the member serves; the stream stays open until it stops.
            sink.send(service.isEmpty ? serving : [0x08, 0x03])
        default:
            var entry = WireWriter()
            entry.explicit(2, serving)
            var writer = WireWriter()
            writer.explicit(1, entry.bytes)
            sink.succeed(writer.bytes)
        }
    }
}

/// The fields that the requests of the cluster service have, by their numbers there.
private struct MemberRequest {
    var id: MemberID = 0
    var peerURLs: [String] = []
    var isLinearizable = false

    /// MemberAdd and MemberUpdate differ in the number of the URLs; texts are told from numbers by their layout.
    init(_ bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.type {
            case .varint:
                let value = try reader.uint64(field)
                if field.number == 1 {
                    id = value
                    isLinearizable = value != 0
                }
            case .lengthDelimited: peerURLs.append(try reader.string(field))
            default: try reader.skip(field)
            }
        }
    }
}
