// Where the spans of calls begin: what clients say of the trace a call belongs to, and where they connected to.

import Base
import EtcdWire
import NIOCore
import Tracing

extension RPC {
    private static let spanNames = RPC.allCases.map { String($0.definition.path.dropFirst()) }

    /// As `etcdserverpb.KV/Put`.
    var spanName: String { Self.spanNames[rawValue] }
}

extension SocketAddress {
    /// Of the server's side of a connection.
    var spanAttributes: [SpanAttribute] {
        guard let address = ipAddress else { return [SpanAttribute("server.address", pathname ?? "")] }
        return [SpanAttribute("server.address", address), SpanAttribute("server.port", Int64(port ?? 0))]
    }
}

extension TraceContext {
    /// What a client said of the trace its call belongs to; the first of each field counts.
    /// - Parameter prefix: before the fields' names, in small letters.
    init?(_ fields: [(name: String, value: String)], prefix: String = "") {
        var (parent, state): (String?, String?)
        for (name, value) in fields {
            switch name.lowercased() {
            case prefix + "traceparent": parent = parent ?? value
            case prefix + "tracestate": state = state ?? value
            default: break
            }
        }
        guard let parent else { return nil }
        self.init(parent: parent, state: state)
    }
}

extension Tracer {
    /// A call through the JSON gateway begins. Fields of HTTP reach it only under the gateway's prefix, as with etcd.
    func call(_ rpc: RPC, through request: HTTPRequest) -> CallTrace? {
        call(rpc.spanName, parent: TraceContext(request.fields, prefix: "grpc-metadata-")) {
            request.local?.spanAttributes ?? []
        }
    }
}
