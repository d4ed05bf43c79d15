// Log lines for systemd's journal: one datagram a line, with the fields that `journalctl` filters by.
//
// The format is systemd's "Native Journal Protocol": NAME=value and a line's end, or, where the value has line's ends of its
// own, the name, a line's end, the length as 64 bits (little endian), the value, and a line's end.

import Glibc

struct JournalWriter: Sendable {
    static let socketPath = "/run/systemd/journal/socket"

    private let descriptor: Int32
    private let path: String
    private let identifier: String

    /// - Parameter identifier: what the lines are listed under.
    /// - Throws: if nobody listens there.
    static func open(
        path: String = socketPath, identifier: String = programName(CommandLine.arguments.first ?? "etcd")
    ) throws(LogSetupError) -> JournalWriter {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw LogSetupError("can't find journal (socket: \(systemErrorText(errno)))") }
        let writer = JournalWriter(descriptor: descriptor, path: path, identifier: identifier)
        let failure = writer.withAddress { Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
        guard failure == 0 else {
            _ = Glibc.close(descriptor)
            throw LogSetupError("can't find journal (dial unixgram \(path): connect: \(systemErrorText(failure)))")
        }
        return writer
    }

    static func programName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// What the journal does not take (it was stopped, or the line is larger than a datagram) goes to standard error.
    func write(_ line: [UInt8]) {
        let message = Self.message(line, identifier: identifier)
        let sent = message.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if sent == message.count { return }
        // A journal that was started anew listens on a new socket.
        if withAddress({ Glibc.connect(descriptor, $0, $1) }) == 0,
            message.withUnsafeBytes({ send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }) == message.count
        {
            return
        }
        LogFile.standardError.write(line)
    }

    func close() { _ = Glibc.close(descriptor) }

    private func withAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    // MARK: Fields

    /// - Parameter line: of JSON, as the encoder makes them; others count as information.
    static func message(_ line: [UInt8], identifier: String) -> [UInt8] {
        let caller = text(of: "caller", in: line)
        var message: [UInt8] = []
        append("MESSAGE", line, to: &message)
        append("PRIORITY", Array(String(priority(text(of: "level", in: line))).utf8), to: &message)
        append("PACKAGE", Array((caller.lastIndex(of: "/").map { String(caller[..<$0]) } ?? ".").utf8), to: &message)
        append("SYSLOG_IDENTIFIER", Array(identifier.utf8), to: &message)
        return message
    }

    private static func append(_ name: String, _ value: [UInt8], to message: inout [UInt8]) {
        message += name.utf8
        if value.contains(UInt8(ascii: "\n")) {
            message.append(UInt8(ascii: "\n"))
            withUnsafeBytes(of: UInt64(value.count).littleEndian) { message += $0 }
        } else {
            message.append(UInt8(ascii: "="))
        }
        message += value
        message.append(UInt8(ascii: "\n"))
    }

    /// Syslog's numbers (RFC 5424).
    private static func priority(_ level: String) -> Int {
        switch level {
        case "debug": 7
        case "warn": 4
        case "error": 3
        case "dpanic", "panic", "fatal": 2
        default: 6
        }
    }

    /// A field's text; those that are asked for have nothing that is escaped, and stand before all that comes from outside.
    private static func text(of name: String, in line: [UInt8]) -> String {
        let key = Array("\"\(name)\":\"".utf8)
        guard line.count > key.count else { return "" }
        for start in 0...(line.count - key.count) where line[start] == key[0] && line[start..<start + key.count].elementsEqual(key) {
            return String(decoding: line[(start + key.count)...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
        }
        return ""
    }
}
