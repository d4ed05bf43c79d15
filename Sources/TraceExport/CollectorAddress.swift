// Where the collector is, as gRPC's users write it: host:port, [address]:port, a host alone, dns:host, unix:path.

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore

package enum CollectorAddress: Sendable, Equatable {
    case host(String, port: Int)
    case socket(path: String)

    /// gRPC's port where none is named.
    private static let defaultPort = 443

    /// Nil for what names no place.
    package init?(_ text: String) {
        var rest = Substring(text)
        for scheme in ["unix://", "unix:"] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            if rest.isEmpty { return nil }
            self = .socket(path: String(rest))
            return
        }
        for scheme in ["dns:///", "passthrough:///", "dns:"] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            break
        }
        var host = rest
        var port = Self.defaultPort
        // A bare IPv6 address is all host; with a port it stands in brackets.
        let isBareAddress = !rest.hasPrefix("[") && rest.filter { $0 == ":" }.count > 1
        if !isBareAddress, let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            guard let number = UInt16(rest[rest.index(after: colon)...]) else { return nil }
            host = colon == rest.startIndex ? "localhost" : rest[..<colon]
            port = Int(number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        if host.isEmpty || host.contains("/") { return nil }
        self = .host(String(host), port: port)
    }

    var target: any ResolvableTarget {
        switch self {
        case .socket(let path): return .unixDomainSocket(path: path)
        case .host(let host, let port):
            // Numbers need no name service.
            if let parsed = try? NIOCore.SocketAddress(ipAddress: host, port: port) {
                if case .v6 = parsed { return .ipv6(address: host, port: port) }
                return .ipv4(address: host, port: port)
            }
            return .dns(host: host, port: port)
        }
    }
}
