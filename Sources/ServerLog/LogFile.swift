// An open log file or standard stream: one write(2) per line, so lines of several processes don't mix on append.
import Glibc

struct LogFile: Sendable {
    /// Created files can hold names of keys and members: only the owner reads them.
    static let creationMode: mode_t = 0o600

    let descriptor: Int32
    private let ownsDescriptor: Bool

    static let standardError = LogFile(descriptor: STDERR_FILENO, ownsDescriptor: false)
    static let standardOutput = LogFile(descriptor: STDOUT_FILENO, ownsDescriptor: false)

    private init(descriptor: Int32, ownsDescriptor: Bool) {
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
    }

    static func open(path: String, mode: mode_t = creationMode) throws(LogSetupError) -> LogFile {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode)
        if descriptor < 0 { throw LogSetupError("open \(path): \(systemErrorText(errno))") }
        return LogFile(descriptor: descriptor, ownsDescriptor: true)
    }

    /// Writes all of `bytes`. A failure is not reported: a member must not stop because its log cannot be written.
    func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let written = Glibc.write(descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
                if written > 0 {
                    offset += written
                } else if written < 0, errno == EINTR {
                    continue
                } else {
                    return
                }
            }
        }
    }

    var sizeInBytes: Int64 {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int64(status.st_size) : 0
    }

    func close() {
        if ownsDescriptor { _ = Glibc.close(descriptor) }
    }
}

/// The system's text for an error number with a small first letter, as Go prints it.
func systemErrorText(_ number: Int32) -> String {
    let text = String(cString: strerror(number))
    return text.prefix(1).lowercased() + text.dropFirst()
}
