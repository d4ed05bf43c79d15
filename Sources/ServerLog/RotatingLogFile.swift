// A log file that is set aside when it grows past its limit. The old file is renamed to
// `<name>-<time><extension>` in the same folder; afterwards surplus and aged old files are deleted, others compressed.
// Opened at the first line, like the Go library whose settings etcd exposes.
import Dispatch
import Glibc

struct RotatingLogFile: Sendable {
    let path: String
    let rotation: LogRotation
    private var file: LogFile?
    private var sizeInBytes: Int64 = 0
    private var hasTidied = false

    init(path: String, rotation: LogRotation) {
        self.path = path
        self.rotation = rotation
    }

    mutating func write(_ bytes: [UInt8], clock: LogClock) {
        let count = Int64(bytes.count)
        if file == nil { openExisting(clock) }
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

    private mutating func openExisting(_ clock: LogClock) {
        createFolders()
        guard let opened = try? LogFile.open(path: path) else { return }
        file = opened
        sizeInBytes = opened.sizeInBytes
        // What an earlier process has set aside and could not compress any more.
        if rotation.compress, !hasTidied { tidy(clock: clock) }
        hasTidied = true
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
        tidy(clock: clock)
    }

    /// Compressing takes seconds, and must not hold up whoever logs.
    private static let tidying = DispatchQueue(label: "etcd-old-logs", qos: .utility)

    private func tidy(clock: LogClock) {
        let (prefix, suffix) = nameParts
        let dayNanoseconds: Int64 = 86_400 * 1_000_000_000
        let (span, overflow) = Int64(rotation.maximumAgeDays).multipliedReportingOverflow(by: dayNanoseconds)
        let oldest = rotation.maximumAgeDays > 0 && !overflow ? timeText(clock.now() &- span, clock: clock) : nil
        let files = OldLogFiles(
            folder: folder,
            prefix: prefix,
            suffix: suffix,
            countMax: rotation.maximumBackups,
            oldest: oldest
        )
        guard rotation.compress else { return files.deleteSurplus() }
        Self.tidying.async {
            files.deleteSurplus()
            files.compress()
        }
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

    private func createFolders() {
        var partial = folder.hasPrefix("/") ? "" : "."
        for component in folder.split(separator: "/") {
            partial += "/" + component
            _ = mkdir(partial, 0o755)
        }
    }
}
