// Where a member listens for the others: "http://10.0.0.1:2380", "https://[::1]:2380", "unix://name:port".

/// A peer URL, taken apart.
package struct PeerURL: Sendable, Hashable, CustomStringConvertible {
    package enum Address: Sendable, Hashable {
        case network(host: String, port: Int)
        case socket(path: String)
    }

    package let address: Address
    /// Whether connections are encrypted.
    package let isSecure: Bool
    /// As it was written, without a slash at its end.
    package let description: String

    /// Nil if it is not one: an unknown scheme, no port, or a path behind the address.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].hasPrefix("//") else { return nil }
        var authority = parts[1].dropFirst(2)
        if authority.hasSuffix("/") { authority.removeLast() }
        guard !authority.isEmpty, !authority.contains(where: { $0 == "/" || $0 == "?" || $0 == "#" || $0 == "@" || $0 <= " " })
        else { return nil }
        switch parts[0] {
        case "http", "https":
            guard let colon = authority.lastIndex(of: ":") else { return nil }
            var host = authority[..<colon]
            let digits = authority[authority.index(after: colon)...]
            guard let port = UInt16(digits), digits.first?.isNumber == true else { return nil }
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            guard !host.isEmpty else { return nil }
            address = .network(host: String(host), port: Int(port))
            isSecure = parts[0] == "https"
        case "unix", "unixs":
            address = .socket(path: String(authority))
            isSecure = parts[0] == "unixs"
        default: return nil
        }
        description = "\(parts[0])://\(authority)"
    }

    /// The value of the `Host` header.
    package var authority: String {
        switch address {
        case .network(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .socket(let path): path
        }
    }

    /// The name that a certificate must carry.
    package var hostName: String {
        switch address {
        case .network(let host, _): host
        case .socket: "localhost"
        }
    }
}

/// The URLs of one member, one of which is in use until it fails.
struct URLPicker {
    private(set) var urls: [PeerURL]
    private var position = 0

    init(_ urls: [PeerURL]) {
        precondition(!urls.isEmpty)
        self.urls = urls
    }

    var picked: PeerURL { urls[position] }

    /// Goes on to the next URL, unless another request has done so since.
    mutating func failed(_ url: PeerURL) {
        if url == picked { position = (position + 1) % urls.count }
    }

    mutating func update(_ urls: [PeerURL]) {
        self = URLPicker(urls)
    }
}
