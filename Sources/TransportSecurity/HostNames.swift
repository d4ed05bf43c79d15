// What the system's resolver says of hosts and addresses. Every question blocks: not on an event loop.

import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

package enum HostNames {
    /// What `gethostbyaddr_r` may need for an address with many names.
    private static let bufferBytes = 16 << 10

    /// All addresses of a host, as text, in the resolver's order; empty if there are none. An address is its own.
    package static func addresses(of host: String) -> [String] {
        var hints = addrinfo()
        // One answer for each address, not one for each kind of socket.
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &first) == 0 else { return [] }
        defer { freeaddrinfo(first) }
        var found: [String] = []
        var next = first
        while let entry = next {
            next = entry.pointee.ai_next
            guard let text = text(entry.pointee), !found.contains(text) else { continue }
            found.append(text)
        }
        return found
    }

    private static func text(_ entry: addrinfo) -> String? {
        guard let address = entry.ai_addr else { return nil }
        switch entry.ai_family {
        case AF_INET:
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee).ipAddress }
        case AF_INET6:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee).ipAddress }
        default: return nil
        }
    }

    /// The names that an address leads back to, without a dot at the end; empty if there are none.
    package static func names(of address: String) -> [String] {
        for (family, size) in addressSizes {
            if let bytes = bytes(of: address, family, size) { return bytes.withUnsafeBytes { names(family, $0) } }
        }
        return []
    }

    /// Whether a text is an address of IPv4 or IPv6, and not a name.
    package static func isAddress(_ text: String) -> Bool {
        addressSizes.contains { bytes(of: text, $0.family, $0.bytes) != nil }
    }

    private static let addressSizes: [(family: CInt, bytes: Int)] = [(AF_INET, 4), (AF_INET6, 16)]

    private static func bytes(of address: String, _ family: CInt, _ size: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: size)
        return inet_pton(family, address, &bytes) == 1 ? bytes : nil
    }

    private static func names(_ family: CInt, _ bytes: UnsafeRawBufferPointer) -> [String] {
        var entry = hostent()
        var result: UnsafeMutablePointer<hostent>?
        var failure: CInt = 0
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: bufferBytes) { buffer in
            guard
                gethostbyaddr_r(
                    bytes.baseAddress,
                    socklen_t(bytes.count),
                    family,
                    &entry,
                    buffer.baseAddress,
                    buffer.count,
                    &result,
                    &failure
                ) == 0, let found = result?.pointee
            else { return [] }
            var names: [String] = []
            if let name = found.h_name { names.append(String(cString: name)) }
            var alias = found.h_aliases
            while let name = alias?.pointee {
                names.append(String(cString: name))
                alias = alias?.advanced(by: 1)
            }
            return names.map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 }
        }
    }

    /// Whether an address belongs to one of a certificate's names: it leads back to one of them, or to a host that one
    /// with `*.` in front covers, or one of them leads to it.
    package static func isAddress(_ address: String, of names: [String]) -> Bool {
        let (patterns, plain) = (names.filter { $0.hasPrefix("*.") }, names.filter { !$0.hasPrefix("*.") })
        for name in Self.names(of: address)
        where plain.contains(name) || patterns.contains(where: { name.hasSuffix($0.dropFirst()) }) {
            return true
        }
        return plain.contains { addresses(of: $0).contains(address) }
    }
}
