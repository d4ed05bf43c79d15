// Members as processes: the program that ETCD_UNDER_TEST names, ours or Go's.

import EtcdClient
import Foundation
import Glibc

/// One etcd process on loopback with a directory of its own.
final class RealMember {
    static var program: String? {
        let path = ProcessInfo.processInfo.environment["ETCD_UNDER_TEST"]
        return path?.isEmpty == false ? path : nil
    }

    let name: String
    let clientURL: String
    let peerURL: String
    private let folder: URL
    private let arguments: [String]
    private var process: Process?

    init(name: String = "m0", arguments: [String] = []) throws {
        self.name = name
        self.arguments = arguments
        let (clientPort, peerPort) = (try Self.freePort(), try Self.freePort())
        clientURL = "http://127.0.0.1:\(clientPort)"
        peerURL = "http://127.0.0.1:\(peerPort)"
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("etcd-client-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    struct NoPort: Error {}

    /// A port that was free a moment ago.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw NoPort() }
        return UInt16(bigEndian: address.sin_port)
    }

    /// - Parameter cluster: the members at the beginning, this one among them.
    func start(cluster: [RealMember] = []) throws {
        let members = cluster.isEmpty ? [self] : cluster
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program ?? "/nonexistent")
        process.arguments =
            [
                "--name", name, "--data-dir", folder.appendingPathComponent("data").path,
                "--listen-client-urls", clientURL, "--advertise-client-urls", clientURL,
                "--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
                "--initial-cluster", members.map { "\($0.name)=\($0.peerURL)" }.joined(separator: ","),
            ] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
    }

    /// Ends the process as a failing machine does.
    func kill() {
        guard let process, process.isRunning else { return }
        _ = Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }
}

/// Waits until the cluster answers a read.
func waitUntilReady(_ client: Client) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while true {
        do {
            let _: GetResult = try await client.get(.key("ready"))
            return
        } catch {
            if ContinuousClock.now > deadline { throw error }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
