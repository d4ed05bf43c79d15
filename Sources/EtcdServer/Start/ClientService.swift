// The moment a member serves: its clients' connections are taken from the backlog, the log says so, and systemd hears of it.

import Foundation
import FrontDoor
import NIOCore
import ServerConfiguration
import ServerLog

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

    /// Nil if it went out.
    private func sendReady(to path: String) -> String? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        let length = bytes.count
        // An abstract socket begins with a zero byte.
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        guard length < MemoryLayout.size(ofValue: address.sun_path) else { return "the socket's path is too long" }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let message = Array("READY=1".utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, message, message.count, 0, $0,
                    socklen_t(MemoryLayout<sa_family_t>.size + length))
            }
        }
        return sent < 0 ? String(cString: strerror(errno)) : nil
    }
}
