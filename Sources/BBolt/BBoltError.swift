// What can go wrong with a bbolt file, with the file's name, the page and the reason.

package import Base
package import FileIO

package enum BBoltError: Error, Sendable, Equatable {
    case file(FileError)
    /// Another process holds the file's lock.
    case locked(path: String)
    /// Neither meta page is one: no bbolt file, or one that a crash never leaves behind.
    case noValidMeta(path: String, reason: String)
    case corrupt(path: String, page: UInt64, offset: Int, reason: String)
    /// An earlier write or sync failed; the file takes no more.
    case failedBefore(path: String)
    /// The file's pages cannot be kept in memory.
    case memoryLock(path: String, reason: String)
    case bucketNotFound(name: Bytes)
    case incompatibleValue(key: Bytes)
    case keyRequired
    case keyTooLarge
    case valueTooLarge
    case readOnly
}

extension BBoltError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let error): error.description
        case .locked(let path): "\(path): timeout: the file is locked by another process"
        case .noValidMeta(let path, let reason): "\(path): invalid database: \(reason)"
        case .corrupt(let path, let page, let offset, let reason): "\(path): page \(page) at offset \(offset): \(reason)"
        case .failedBefore(let path): "\(path): not written to any more after an earlier write failed"
        case .memoryLock(let path, let reason): "\(path): mlock error: \(reason)"
        case .bucketNotFound(let name): "bucket not found: \(name)"
        case .incompatibleValue: "incompatible value"
        case .keyRequired: "key required"
        case .keyTooLarge: "key too large"
        case .valueTooLarge: "value too large"
        case .readOnly: "database is in read-only mode"
        }
    }
}

/// Runs a file operation, its error as one of ours.
func onFile<R>(_ body: () throws(FileError) -> R) throws(BBoltError) -> R {
    do throws(FileError) { return try body() } catch { throw .file(error) }
}
