// Between the generated messages (swift-protobuf) and `Bytes`. The encoding is the bridge: both sides agree on it, and
// what crosses here (JSON requests, users and roles) is rare.

package import Base
package import SwiftProtobuf

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

extension Bytes {
    /// A copy of a generated message's bytes field, for rooms that know no `Data`.
    package init(_ data: Data) { self.init([UInt8](data)) }

    /// The bytes as a generated message wants them: a copy.
    package var data: Data { Data(array) }
}

extension SwiftProtobuf.Message {
    /// Decodes the message.
    package init(decoding bytes: Bytes) throws {
        try self.init(serializedBytes: bytes.array)
    }

    /// The message's encoding; only proto2's required fields, which no message here has, could make it fail.
    package func encodedBytes() throws -> Bytes {
        let array: [UInt8] = try serializedBytes()
        return Bytes(array)
    }
}

extension KeyValue {
    package init(_ generated: Mvccpb_KeyValue) throws { try self.init(decoding: generated.encodedBytes()) }
}

extension Event {
    package init(_ generated: Mvccpb_Event) throws { try self.init(decoding: generated.encodedBytes()) }
}

extension RangeRequest {
    package init(_ generated: Etcdserverpb_RangeRequest) throws { try self.init(decoding: generated.encodedBytes()) }
}

extension PutRequest {
    package init(_ generated: Etcdserverpb_PutRequest) throws { try self.init(decoding: generated.encodedBytes()) }
}

extension DeleteRangeRequest {
    package init(_ generated: Etcdserverpb_DeleteRangeRequest) throws {
        try self.init(decoding: generated.encodedBytes())
    }
}

extension TxnRequest {
    package init(_ generated: Etcdserverpb_TxnRequest) throws { try self.init(decoding: generated.encodedBytes()) }
}

extension WatchRequest {
    package init(_ generated: Etcdserverpb_WatchRequest) throws { try self.init(decoding: generated.encodedBytes()) }
}

extension Etcdserverpb_ResponseHeader {
    package init(_ header: ResponseHeader) {
        self.init()
        clusterID = header.clusterID
        memberID = header.memberID
        revision = header.revision
        raftTerm = header.raftTerm
    }
}
