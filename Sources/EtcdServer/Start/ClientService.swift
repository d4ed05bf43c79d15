// The moment a member serves: its clients' connections are taken from the backlog, the log says so, and systemd hears of it.

import FoundationEssentials
import FrontDoor
import NIOCore
import ServerConfiguration
import ServerLog

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct ClientService: Sendable {
    let listeners: [any Channel]
    let configuration: ServerConfiguration
    let logger: ServerLogger

    /// Blocks for a moment; not on the loop. Does nothing if the member is stopping already.
    func begin() {
        do {
            for channel in listeners { try channel.setOption(.autoRead, value: true).wait() }
        } catch {
            return
        }
        for (url, traffic) in EtcdServer.clientPorts(configuration.listen) {
            let message =
                url.isTLS
                ? "serving client traffic securely" : "serving client traffic insecurely; this is strongly discouraged!"
            logger.info(message, [.string("traffic", traffic.logName), .string("address", url.host)])
        }
        notifyInit()
    }

    private func notifyInit() {
        logger.info("notifying init daemon")
        guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else {
            return logger.info("successfully notified init daemon")
        }
        if let reason = sendReady(to: path) {
            logger.error("failed to notify systemd for readiness", [.error(reason)])
        } else {
            logger.info("successfully notified init daemon")
        }
    }

    /// What `sun_path` holds on Linux.
    private static let unixPathBytes = 108

    /// Nil if it went out.
    private func sendReady(to path: String) -> String? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        // A `sockaddr_un`: the family, then the path.
        var family = sa_family_t(AF_UNIX)
        var address = withUnsafeBytes(of: &family) { [UInt8]($0) }
        let path = Array(path.utf8)
        guard path.count < Self.unixPathBytes else { return "the socket's path is too long" }
        // An abstract socket begins with a zero byte.
        address += path.first == UInt8(ascii: "@") ? [0] + path.dropFirst() : path
        let message = Array("READY=1".utf8)
        let sent = address.withUnsafeBytes { bytes -> Int in
            guard let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            return sendto(descriptor, message, message.count, 0, pointer, socklen_t(bytes.count))
        }
        return sent < 0 ? String(cString: strerror(errno)) : nil
    }
}
