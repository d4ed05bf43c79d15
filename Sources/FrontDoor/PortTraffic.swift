// What a listening port is for.

/// What is answered on a port. Without `--listen-client-http-urls` a client port answers everything.
package enum PortTraffic: Sendable {
    case everything
    /// A client port whose HTTP is served elsewhere.
    case grpc
    /// A port of `--listen-client-http-urls`.
    case http
    /// A port of `--listen-metrics-urls`: metrics and health, nothing that reads or writes keys.
    case metrics

    var servesGRPC: Bool { self == .everything || self == .grpc }
    var servesHTTP: Bool { self != .grpc }

    /// As etcd's log names it.
    package var logName: String {
        switch self {
        case .everything: "grpc+http"
        case .grpc: "grpc"
        case .http, .metrics: "http"
        }
    }
}
