// A log file that is set aside when it grows past its limit. The old file is renamed to
// `<name>-<time><extension>` in the same folder; afterwards surplus and aged old files are deleted.
// Opened at the first line, like the Go library whose settings etcd exposes.
import Glibc

struct RotatingLogFile: Sendable {
    let path: String
    let rotation: LogRotation
    private var file: LogFile?
    private var sizeInBytes: Int64 = 0

    init(path: String, rotation: LogRotation) {
        self.path = path
        self.rotation = rotation
    }

    mutating func write(_ bytes: [UInt8], clock: LogClock) {
        let count = Int64(bytes.count)
        if file == nil { openExisting() }
        // A single line beyond the limit is still written, into a file of its own: losing it would be worse.
        if file == nil || (sizeInBytes > 0 && sizeInBytes + count > rotation.maximumBytes) {
            rotate(clock: clock)
        }
        file?.write(bytes)
        sizeInBytes += count
    }

    mutating func close() {
        file?.close()
        file = nil
    }

    private mutating func openExisting() {
        createFolders()
        guard let opened = try? LogFile.open(path: path) else { return }
        file = opened
        sizeInBytes = opened.sizeInBytes
    }

    private mutating func rotate(clock: LogClock) {
        close()
        var mode = LogFile.creationMode
        var status = stat()
        if stat(path, &status) == 0 {
            mode = status.st_mode & 0o777
            _ = rename(path, backupPath(at: clock.now(), clock: clock))
        }
        createFolders()
        file = try? LogFile.open(path: path, mode: mode)
        sizeInBytes = file?.sizeInBytes ?? 0
        deleteOldFiles(clock: clock)
    }

    // MARK: Old files

    private var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The file's name up to its extension with the dash that starts the time, and the extension with its point.
    private var nameParts: (prefix: String, suffix: String) {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let point = name.lastIndex(of: ".") else { return (name + "-", "") }
        return (name[..<point] + "-", String(name[point...]))
    }

    private func timeText(_ nanoseconds: Int64, clock: LogClock) -> String {
        let offset = rotation.localTime ? clock.offsetSeconds(nanoseconds / 1_000_000_000) : 0
        return CivilTime(nanoseconds: nanoseconds, offsetSeconds: offset).backupName
    }

    private func backupPath(at nanoseconds: Int64, clock: LogClock) -> String {
        let (prefix, suffix) = nameParts
        return "\(folder)/\(prefix)\(timeText(nanoseconds, clock: clock))\(suffix)"
    }

    private func deleteOldFiles(clock: LogClock) {
        if rotation.maximumBackups <= 0, rotation.maximumAgeDays <= 0 { return }
        let (prefix, suffix) = nameParts
        let timeLength = "2006-01-02T15-04-05.000".utf8.count
        // The time in the name has a fixed width: its text order is its time order.
        let old = Self.names(in: folder).filter { name in
            name.hasPrefix(prefix) && name.hasSuffix(suffix)
                && name.utf8.count == prefix.utf8.count + timeLength + suffix.utf8.count
                && name.dropFirst(prefix.count).prefix(timeLength).allSatisfy { "0123456789-T.".contains($0) }
        }
        .sorted(by: >)

        var doomed = rotation.maximumBackups > 0 ? Set(old.dropFirst(rotation.maximumBackups)) : []
        if rotation.maximumAgeDays > 0 {
            let dayNanoseconds: Int64 = 86_400 * 1_000_000_000
            let (span, overflow) = Int64(rotation.maximumAgeDays).multipliedReportingOverflow(by: dayNanoseconds)
            if !overflow {
                let limit = prefix + timeText(clock.now() &- span, clock: clock) + suffix
                doomed.formUnion(old.filter { $0 < limit })
            }
        }
        for name in doomed { _ = unlink("\(folder)/\(name)") }
    }

    private static func names(in folder: String) -> [String] {
        guard let handle = opendir(folder) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }

    private func createFolders() {
        var partial = folder.hasPrefix("/") ? "" : "."
        for component in folder.split(separator: "/") {
            partial += "/" + component
            _ = mkdir(partial, 0o755)
        }
    }
}
