// What is said when the data directory cannot be used: the operator sees whose it is and who wants it.

import FileIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Shown as etcd shows it: "cannot access data directory: open /var/lib/etcd/.touch: permission denied".
struct DataDirectoryError: Error, CustomStringConvertible {
    let cause: FileError

    var description: String { "cannot access data directory: \(cause)" }

    /// What to do about it, or nil where the cause speaks for itself.
    func advice(for path: String) -> String? {
        let user = "user \(geteuid()), group \(getegid())"
        switch cause.number {
        case EACCES, EPERM:
            var status = stat()
            guard stat(path, &status) == 0 else {
                return "the data directory cannot be made by \(user); make it for that user"
            }
            return "the data directory belongs to user \(status.st_uid), group \(status.st_gid), but etcd runs as \(user); "
                + "change its owner (chown -R \(geteuid()):\(getegid())) or run etcd as the owner"
        case EROFS:
            return "the data directory is on a read-only file system; mount a writable volume there"
        default:
            return nil
        }
    }
}
