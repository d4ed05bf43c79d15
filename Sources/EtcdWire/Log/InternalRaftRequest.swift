// What a normal raft entry carries: a header and one request.
//
// Requests that every store sees all day are decoded right here; the rest (users and roles) stay encoded until somebody
// asks, and are then read with the generated messages. Go applies at most one request of an entry; where an entry holds
// several, which no member writes, the last one counts.

package import Base
package import Wire

/// The payload of a normal raft entry.
package struct InternalRaftRequest: WireMessage {
    package enum Body: Sendable, Equatable {
        /// No request: etcd logs it and goes on.
        case none
        case range(RangeRequest)
        case put(PutRequest)
        case deleteRange(DeleteRangeRequest)
        case txn(TxnRequest)
        case compaction(CompactionRequest)
        case leaseGrant(LeaseGrantRequest)
        case leaseRevoke(LeaseRevokeRequest)
        case alarm(AlarmRequest)
        case leaseCheckpoint(LeaseCheckpointRequest)
        case clusterVersionSet(ClusterVersionSetRequest)
        case clusterMemberAttributesSet(ClusterMemberAttributesSetRequest)
        case downgradeInfoSet(DowngradeInfoSetRequest)
        /// A request this codec does not read, in its encoding, not checked.
        case encoded(RaftRequestKind, Bytes)
    }

    static let headerField = 100

    package var header: RequestHeader?
    /// Where old members put the request's identifier.
    package var legacyID: UInt64
    package var body: Body

    package init(header: RequestHeader? = nil, legacyID: UInt64 = 0, body: Body = .none) {
        self.header = header
        self.legacyID = legacyID
        self.body = body
    }

    package init() { self.init(header: nil) }

    package init(decoding bytes: Bytes) throws(WireError) { self = try .parsed(bytes) }
    package func encoded() -> Bytes { serialized() }
    package var encodedSize: Int { measured() }

    /// Correlates proposal and reply; 0 where the entry has none.
    package var requestID: UInt64 { legacyID != 0 ? legacyID : header?.id ?? 0 }

    /// An entry around a request that is encoded already, such as the bytes a client sent.
    package static func encode(header: RequestHeader?, kind: RaftRequestKind, request: Bytes) -> Bytes {
        InternalRaftRequest(header: header, body: .encoded(kind, request)).encoded()
    }

    func write(to sink: inout some FieldSink) {
        sink.field(1, legacyID)
        if let kind = body.kind, kind.rawValue > Self.headerField {
            sink.message(Self.headerField, header)
            body.write(to: &sink)
        } else {
            body.write(to: &sink)
            sink.message(Self.headerField, header)
        }
    }

    mutating func merge(_ bytes: Bytes, depth: Int) throws(WireError) {
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.type) {
            case (1, .varint): legacyID = try reader.uint64(field)
            case (Self.headerField, .lengthDelimited): try reader.merge(field, into: &header, depth: depth)
            case (let number, let type):
                guard let kind = RaftRequestKind(rawValue: number) else {
                    try reader.skip(field)
                    continue
                }
                // Members up to 3.5 put requests of the v2 store in place of entries, and know them by this: their
                // field 5 is a bool. No entry has ever had a request of another wire type.
                guard type == .lengthDelimited else { throw .unexpectedWireType }
                try body.merge(kind, field, from: &reader, depth: depth)
            }
        }
    }
}

extension InternalRaftRequest.Body {
    /// Which request this is; nil for none.
    package var kind: RaftRequestKind? {
        switch self {
        case .none: nil
        case .range: .range
        case .put: .put
        case .deleteRange: .deleteRange
        case .txn: .txn
        case .compaction: .compaction
        case .leaseGrant: .leaseGrant
        case .leaseRevoke: .leaseRevoke
        case .alarm: .alarm
        case .leaseCheckpoint: .leaseCheckpoint
        case .clusterVersionSet: .clusterVersionSet
        case .clusterMemberAttributesSet: .clusterMemberAttributesSet
        case .downgradeInfoSet: .downgradeInfoSet
        case .encoded(let kind, _): kind
        }
    }

    func write(to sink: inout some FieldSink) {
        guard let number = kind?.rawValue else { return }
        switch self {
        case .none: break
        case .range(let request): sink.message(number, request)
        case .put(let request): sink.message(number, request)
        case .deleteRange(let request): sink.message(number, request)
        case .txn(let request): sink.message(number, request)
        case .compaction(let request): sink.message(number, request)
        case .leaseGrant(let request): sink.message(number, request)
        case .leaseRevoke(let request): sink.message(number, request)
        case .alarm(let request): sink.message(number, request)
        case .leaseCheckpoint(let request): sink.message(number, request)
        case .clusterVersionSet(let request): sink.message(number, request)
        case .clusterMemberAttributesSet(let request): sink.message(number, request)
        case .downgradeInfoSet(let request): sink.message(number, request)
        case .encoded(_, let request): sink.explicit(number, request)
        }
    }

    mutating func merge(
        _ kind: RaftRequestKind, _ field: WireReader.Field, from reader: inout WireReader, depth: Int
    ) throws(WireError) {
        switch kind {
        case .range:
            var request = RangeRequest()
            if case .range(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .range(request)
        case .put:
            var request = PutRequest()
            if case .put(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .put(request)
        case .deleteRange:
            var request = DeleteRangeRequest()
            if case .deleteRange(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .deleteRange(request)
        case .txn:
            var request = TxnRequest()
            if case .txn(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .txn(request)
        case .compaction:
            var request = CompactionRequest()
            if case .compaction(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .compaction(request)
        case .leaseGrant:
            var request = LeaseGrantRequest()
            if case .leaseGrant(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .leaseGrant(request)
        case .leaseRevoke:
            var request = LeaseRevokeRequest()
            if case .leaseRevoke(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .leaseRevoke(request)
        case .alarm:
            var request = AlarmRequest()
            if case .alarm(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .alarm(request)
        case .leaseCheckpoint:
            var request = LeaseCheckpointRequest()
            if case .leaseCheckpoint(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .leaseCheckpoint(request)
        case .clusterVersionSet:
            var request = ClusterVersionSetRequest()
            if case .clusterVersionSet(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .clusterVersionSet(request)
        case .clusterMemberAttributesSet:
            var request = ClusterMemberAttributesSetRequest()
            if case .clusterMemberAttributesSet(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .clusterMemberAttributesSet(request)
        case .downgradeInfoSet:
            var request = DowngradeInfoSetRequest()
            if case .downgradeInfoSet(let present) = self { request = present }
            try reader.merge(field, into: &request, depth: depth)
            self = .downgradeInfoSet(request)
        default:
            var present: Bytes?
            if case .encoded(kind, let content) = self { present = content }
            self = .encoded(kind, joined(present, try reader.bytes(field)))
        }
    }
}
