// Log files that were set aside: how many stay, for how long, and their compression.

import CZlib
import Glibc

/// The old files of one log, compressed ones among them.
struct OldLogFiles: Sendable {
    let folder: String
    /// What names begin with, the dash in front of the time included.
    let prefix: String
    /// What names end with, apart from the compressed ones' own ending.
    let suffix: String
    /// Zero or less means all.
    let countMax: Int
    /// Those with an earlier time in their name go.
    let oldest: String?

    private static let compressedEnding = ".gz"
    private static let timeLength = "2006-01-02T15-04-05.000".utf8.count

    func deleteSurplus() {
        if countMax <= 0, oldest == nil { return }
        // The time in the name has a fixed width: its text order is its time order.
        let names = names()
        let times = Set(names.map(time)).sorted(by: >)
        var doomed = countMax > 0 ? Set(times.dropFirst(countMax)) : []
        if let oldest { doomed.formUnion(times.filter { $0 < oldest }) }
        for name in names where doomed.contains(time(name)) { _ = unlink("\(folder)/\(name)") }
    }

    /// Compresses what is not yet; slow.
    func compress() {
        for name in names() where !name.hasSuffix(Self.compressedEnding) {
            let path = "\(folder)/\(name)"
            if Self.compress(path, to: path + Self.compressedEnding) { _ = unlink(path) }
        }
    }

    private func time(_ name: String) -> String { String(name.dropFirst(prefix.count).prefix(Self.timeLength)) }

    private func names() -> [String] {
        guard let handle = opendir(folder) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if isOld(name) { names.append(name) }
        }
        return names
    }

    private func isOld(_ name: String) -> Bool {
        guard name.hasPrefix(prefix) else { return false }
        let rest = name.dropFirst(prefix.count)
        let time = rest.prefix(Self.timeLength)
        let ending = rest.dropFirst(Self.timeLength)
        return time.utf8.count == Self.timeLength && time.allSatisfy { "0123456789-T.".contains($0) }
            && (ending == suffix || ending == suffix + Self.compressedEnding)
    }

    // MARK: gzip

    /// - Returns: whether the compressed file is whole and on the disk. A half-written one of an earlier process is
    ///   written anew.
    private static func compress(_ path: String, to target: String) -> Bool {
        let source = open(path, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { return false }
        defer { close(source) }
        var status = stat()
        let mode = fstat(source, &status) == 0 ? status.st_mode & 0o777 : LogFile.creationMode
        let descriptor = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { return false }
        guard let sink = gzdopen(descriptor, "wb") else {
            close(descriptor)
            return false
        }
        var isWhole = copy(source, to: sink)
        isWhole = gzflush(sink, Z_FINISH) == Z_OK && fsync(descriptor) == 0 && isWhole
        isWhole = gzclose(sink) == Z_OK && isWhole
        if !isWhole { _ = unlink(target) }
        return isWhole
    }

    private static func copy(_ source: Int32, to sink: gzFile) -> Bool {
        var piece = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = piece.withUnsafeMutableBytes { read(source, $0.baseAddress, $0.count) }
            if count == 0 { return true }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            let written = piece.withUnsafeBytes { gzwrite(sink, $0.baseAddress, UInt32(count)) }
            guard written == Int32(count) else { return false }
        }
    }
}
