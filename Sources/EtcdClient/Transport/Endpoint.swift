// Where a member listens, as people write it: host:port, [address]:port, http(s)://host:port, unix(s)://path.

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore

/// A member's client address.
package struct Endpoint: Sendable, Hashable {
    package static func == (one: Endpoint, other: Endpoint) -> Bool {
        one.address == other.address && one.isSecure == other.isSecure
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(address)
        hasher.combine(isSecure)
    }

    package enum Address: Sendable, Hashable {
        case host(String, port: Int)
        case socket(path: String)
    }

    /// What the endpoint was given as.
    package let text: String
    package let address: Address
    /// Whether the scheme asks for TLS; nil where there is no scheme.
    package let isSecure: Bool?

    /// etcd's port for clients.
    static let defaultPort = 2379

    package init(_ text: String) {
        self.text = text
        var rest = Substring(text)
        var secure: Bool?
        if let scheme = rest.range(of: "://") {
            let name = rest[..<scheme.lowerBound]
            rest = rest[scheme.upperBound...]
            secure = name == "https" || name == "unixs" ? true : false
            if name == "unix" || name == "unixs" {
                address = .socket(path: String(rest))
                isSecure = name == "unixs"
                return
            }
        } else if rest.hasPrefix("unix:") || rest.hasPrefix("unixs:") {
            isSecure = rest.hasPrefix("unixs:")
            address = .socket(path: String(rest[rest.index(after: rest.firstIndex(of: ":") ?? rest.startIndex)...]))
            return
        }
        isSecure = secure
        if let slash = rest.firstIndex(of: "/") { rest = rest[..<slash] }
        var host = String(rest)
        var port = Self.defaultPort
        // A bare IPv6 address is all host; with a port it stands in brackets.
        let isBareAddress = !rest.hasPrefix("[") && rest.filter { $0 == ":" }.count > 1
        if !isBareAddress, let colon = rest.lastIndex(of: ":"), let number = UInt16(rest[rest.index(after: colon)...]) {
            host = String(rest[..<colon])
            port = Int(number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        address = .host(host, port: port)
    }

    /// Without the scheme, as messages about connections name it.
    package var hostAndPort: String {
        switch address {
        case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .socket(let path): path
        }
    }

    /// The kind of address, as messages about connections name it.
    var network: String {
        if case .socket = address { return "unix" }
        return "tcp"
    }

    /// What a socket's member is called where a host would be named: the last part of its path, as Go's clients say; nil where
    /// there is a host.
    var authorityOfSocket: String? {
        guard case .socket(let path) = address else { return nil }
        return path.split(separator: "/").last.map(String.init) ?? path
    }

    /// The name that the member's certificate must be good for; nil where that is the connection's address.
    func nameInCertificate(_ security: TransportSecurity) -> String? {
        if let name = security.serverName { return name }
        switch address {
        case .host(let host, let port):
            return (try? NIOCore.SocketAddress(ipAddress: host, port: port)) == nil ? host : nil
        case .socket:
            // Such names often look like a host and a port.
            guard let name = authorityOfSocket else { return nil }
            guard let colon = name.lastIndex(of: ":"), UInt16(name[name.index(after: colon)...]) != nil else { return name }
            return String(name[..<colon])
        }
    }

    var target: any ResolvableTarget {
        switch address {
        case .socket(let path): return .unixDomainSocket(path: path)
        case .host(let host, let port):
            // Numbers need no name service, and a certificate is then checked against the address itself.
            if let parsed = try? NIOCore.SocketAddress(ipAddress: host, port: port) {
                if case .v6 = parsed { return .ipv6(address: host, port: port) }
                return .ipv4(address: host, port: port)
            }
            return .dns(host: host, port: port)
        }
    }
}

extension Substring {
    fileprivate func range(of separator: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(separator) { return start..<index(start, offsetBy: separator.count) }
            start = index(after: start)
        }
        return nil
    }
}
