// The journal as a socket of the test's own.
import Foundation
import Testing

@testable import ServerLog

/// Listens where a journal would.
private final class Listener {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        unlink(path)
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(descriptor >= 0 && bound == 0)
    }

    deinit { close(descriptor) }

    /// What has come, without waiting for more.
    func next() -> String? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }
}

@Suite struct JournalTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    private static func line(_ level: String, _ more: String = "") -> [UInt8] {
        Array(#"{"level":"\#(level)","ts":"now","caller":"EtcdServer/A.swift:1","msg":"hello"\#(more)}"#.utf8) + [UInt8(ascii: "\n")]
    }

    @Test(arguments: [("debug", 7), ("info", 6), ("warn", 4), ("error", 3), ("panic", 2), ("fatal", 2), ("odd", 6)])
    func aLineHasTheFieldsThatTheJournalFiltersBy(level: String, priority: Int) throws {
        let listener = try Listener(folder + "/socket")
        let writer = try JournalWriter.open(path: listener.path, identifier: "etcd")
        defer { writer.close() }
        let line = Self.line(level, #","level":"fatal","caller":"x/y""#)
        writer.write(line)
        let length = String(decoding: [UInt8(line.count), 0, 0, 0, 0, 0, 0, 0], as: UTF8.self)
        #expect(
            listener.next()
                == "MESSAGE\n\(length)" + String(decoding: line, as: UTF8.self)
                + "\nPRIORITY=\(priority)\nPACKAGE=EtcdServer\nSYSLOG_IDENTIFIER=etcd\n")
        #expect(listener.next() == nil)
    }

    @Test func aLineThatIsNoJSONIsInformation() throws {
        let text = String(decoding: JournalWriter.message(Array("plain".utf8), identifier: "etcd"), as: UTF8.self)
        #expect(text == "MESSAGE=plain\nPRIORITY=6\nPACKAGE=.\nSYSLOG_IDENTIFIER=etcd\n")
    }

    @Test func aJournalThatWasStartedAnewIsFound() throws {
        var listener = try Listener(folder + "/socket")
        let writer = try JournalWriter.open(path: listener.path, identifier: "etcd")
        defer { writer.close() }
        writer.write(Self.line("info"))
        #expect(listener.next() != nil)
        listener = try Listener(folder + "/socket")
        writer.write(Self.line("info"))
        #expect(listener.next() != nil)
    }

    @Test func withoutAJournalThereIsNoLog() {
        let path = folder + "/nobody"
        #expect(throws: LogSetupError("can't find journal (dial unixgram \(path): connect: no such file or directory)")) {
            try JournalWriter.open(path: path)
        }
        #expect(JournalWriter.programName("/usr/bin/etcd") == "etcd" && JournalWriter.programName("etcd") == "etcd")
    }
}
