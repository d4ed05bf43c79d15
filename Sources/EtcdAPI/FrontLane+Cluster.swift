// The cluster service and the health service.

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
            let answer: () -> Void = { [self] in
                sink.succeed(message(nil, Self.memberList(member.membership.members, field: 2)))
            }
            if fields.isLinearizable {
                afterBarrier(
                    .task { outcome in
                        if case .failure(let error) = outcome { sink.finish(error) } else { answer() }
                    })
            } else {
                answer()
            }
        case .memberAdd: try addMember(fields.peerURLs, isLearner: fields.isLearner, metadata, sink)
        case .memberRemove: try removeMember(fields.id, metadata, sink)
        case .memberUpdate: try updateMember(fields.id, fields.peerURLs, metadata, sink)
        case .memberPromote:
            promote(fields.id, metadata) { [self] outcome in
                switch outcome {
                case .success(let members): sink.succeed(message(nil, Self.memberList(members, field: 2)))
                case .failure(let error): sink.finish(error)
                }
            }
        default: throw .unknownMethod
        }
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
        switch rpc {
        case .healthCheck:
            if !service.isEmpty { throw EtcdError(code: .notFound, message: "unknown service") }
            sink.succeed(servingStatus)
        case .healthWatch:
            // The stream stays open until the member stops.
            guard service.isEmpty else { return sink.send([0x08, 0x03]) }
            sink.send(servingStatus)
            if settings.stopsServingOnDefragmentation { healthWatchers.append(sink) }
        default:
            var entry = WireWriter()
            entry.explicit(2, servingStatus)
            var writer = WireWriter()
            writer.explicit(1, entry.bytes)
            sink.succeed(writer.bytes)
        }
    }

    /// SERVING or NOT_SERVING, as a message of the health service.
    private var servingStatus: Bytes {
        let isServing = defragmentations.isEmpty || !settings.stopsServingOnDefragmentation
        return [0x08, isServing ? 0x01 : 0x02]
    }

    /// To be called when a defragmentation has begun or ended.
    func tellHealthWatchers() {
        healthWatchers.removeAll { !$0.isOpen }
        for sink in healthWatchers { sink.send(servingStatus) }
    }
}

/// The fields that the requests of the cluster service have, by their numbers there.
private struct MemberRequest {
    var id: MemberID = 0
    var peerURLs: [String] = []
    var isLinearizable = false
    var isLearner = false

    /// MemberAdd and MemberUpdate differ in the number of the URLs; texts are told from numbers by their layout.
    init(_ bytes: Bytes) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.type {
            case .varint:
                let value = try reader.uint64(field)
                if field.number == 2 { isLearner = value != 0 }
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
