// Every RPC of a member: what the front door routes, what the JSON gateway transcodes, what reflection lists.

package import Base
package import SwiftProtobuf

/// Which side of a call sends more than one message.
package enum StreamingKind: Sendable {
    case unary
    case serverStreaming
    case bidirectional
}

/// A remote procedure of a member.
package enum RPC: Int, Sendable, Hashable, CaseIterable {
    case range
    case rangeStream
    case put
    case deleteRange
    case txn
    case compact

    case watch

    case leaseGrant
    case leaseRevoke
    case leaseKeepAlive
    case leaseTimeToLive
    case leaseLeases

    case memberAdd
    case memberRemove
    case memberUpdate
    case memberList
    case memberPromote

    case alarm
    case status
    case defragment
    case hash
    case hashKV
    case snapshot
    case moveLeader
    case downgrade

    case authEnable
    case authDisable
    case authStatus
    case authenticate
    case authUserAdd
    case authUserGet
    case authUserList
    case authUserDelete
    case authUserChangePassword
    case authUserGrantRole
    case authUserRevokeRole
    case authRoleAdd
    case authRoleGet
    case authRoleList
    case authRoleDelete
    case authRoleGrantPermission
    case authRoleRevokePermission

    case electionCampaign
    case electionProclaim
    case electionLeader
    case electionObserve
    case electionResign

    case lock
    case unlock

    case healthCheck
    case healthWatch
    case healthList

    case reflectionV1
    case reflectionV1Alpha
}

/// What the table says about an RPC.
package struct RPCDefinition: Sendable {
    /// `/package.Service/Method`, gRPC's `:path`.
    package let path: String
    package let streaming: StreamingKind
    /// The JSON gateway's paths for POST; none for methods the gateway does not know.
    package let gatewayPaths: [String]
    package let request: any SwiftProtobuf.Message.Type
    package let response: any SwiftProtobuf.Message.Type

    init(
        _ path: String,
        _ streaming: StreamingKind,
        _ gatewayPaths: [String],
        _ request: any SwiftProtobuf.Message.Type,
        _ response: any SwiftProtobuf.Message.Type
    ) {
        self.path = path
        self.streaming = streaming
        self.gatewayPaths = gatewayPaths
        self.request = request
        self.response = response
    }

    /// `package.Service`.
    package var service: String {
        String(path.dropFirst().prefix { $0 != "/" })
    }

    /// `Method`.
    package var method: String {
        String(path.dropFirst(service.count + 2))
    }
}

extension RPC {
    package var definition: RPCDefinition { Self.definitions[rawValue] }

    /// The RPC with gRPC's `:path`, or nil.
    package init?(path: String) {
        guard let rpc = Self.byPath[path] else { return nil }
        self = rpc
    }

    /// The RPC behind a path of the JSON gateway, or nil. `/v3beta/` is an older name of `/v3/`.
    package init?(gatewayPath: String) {
        let older = "/v3beta/"
        let path = gatewayPath.hasPrefix(older) ? "/v3/" + gatewayPath.dropFirst(older.count) : gatewayPath
        guard let rpc = Self.byGatewayPath[path] else { return nil }
        self = rpc
    }

    /// The services by full name, in the table's order.
    package static let services: [String] = allCases.reduce(into: []) { names, rpc in
        let name = rpc.definition.service
        if names.last != name { names.append(name) }
    }

    private static let byPath = Dictionary(uniqueKeysWithValues: allCases.map { ($0.definition.path, $0) })

    private static let byGatewayPath = Dictionary(
        uniqueKeysWithValues: allCases.flatMap { rpc in rpc.definition.gatewayPaths.map { ($0, rpc) } }
    )
}

extension RPCDefinition {
    /// Whether the bytes are a request of this method.
    package func accepts(_ bytes: Bytes) -> Bool {
        (try? request.init(serializedBytes: bytes.array)) != nil
    }
}
