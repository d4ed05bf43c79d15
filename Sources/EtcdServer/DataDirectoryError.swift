// What is said when the data directory cannot be used: the operator sees whose it is and who wants it.

import FileIO
import Foundation

/// Shown as etcd shows it: "cannot access data directory: open /var/lib/etcd/.touch: permission denied".
struct DataDirectoryError: Error, CustomStringConvertible {
    let cause: FileError

    var description: String { "cannot access data directory: \(cause)" }

    /// What to do about it, or nil where the cause speaks for itself.
    func advice(for path: String) -> String? {
        let user = "user \(geteuid()), group \(getegid())"
        switch cause.number {
        case EACCES, EPERM:
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            guard let owner = attributes?[.ownerAccountID] as? NSNumber,
                let group = attributes?[.groupOwnerAccountID] as? NSNumber
            else { return "the data directory cannot be made by \(user); make it for that user" }
            return "the data directory belongs to user \(owner), group \(group), but etcd runs as \(user); "
                + "change its owner (chown -R \(geteuid()):\(getegid())) or run etcd as the owner"
        case EROFS:
            return "the data directory is on a read-only file system; mount a writable volume there"
        default:
            return nil
        }
    }
}
