// Finds the machine's address as other machines reach it: that of the interface the default route uses, IPv4 first.
// The one place of this room that asks the system; the reader takes the answer as an argument.
import Glibc

extension DefaultHost {
    private static let defaultDestination = "00000000"
    /// A routing table is a few lines; more is not read.
    private static let routeBytesMaximum = 1 << 20

    /// Asks the running system.
    package static func detect() -> DefaultHost {
        let interfaces = interfacesOfDefaultRoutes(path: "/proc/net/route", destinationColumn: 1, interfaceColumn: 0)
        for interface in interfaces {
            if let address = address(of: interface, family: AF_INET) { return .address(address) }
        }
        return .failed(interfaces.isEmpty ? "could not find default route" : "could not find default host")
    }

    private static func interfacesOfDefaultRoutes(
        path: String,
        destinationColumn: Int,
        interfaceColumn: Int
    ) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while content.count < routeBytesMaximum {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { break }
            content.append(contentsOf: chunk.prefix(count))
        }
        return String(decoding: content, as: UTF8.self).split(separator: "\n").dropFirst().compactMap { line in
            let columns = line.split(whereSeparator: \.isWhitespace)
            guard columns.count > max(destinationColumn, interfaceColumn),
                columns[destinationColumn] == defaultDestination
            else { return nil }
            return String(columns[interfaceColumn])
        }
    }

    private static func address(of interface: String, family: Int32) -> String? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var entry = first
        while let current = entry {
            entry = current.pointee.ifa_next
            guard let socketAddress = current.pointee.ifa_addr, Int32(socketAddress.pointee.sa_family) == family,
                String(cString: current.pointee.ifa_name) == interface
            else { continue }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let length = socklen_t(MemoryLayout<sockaddr_in>.size)
            if getnameinfo(socketAddress, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            }
        }
        return nil
    }
}
