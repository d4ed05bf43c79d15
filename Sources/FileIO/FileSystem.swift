// The file seam: everything the storage rooms ask of a disk, in calls coarse enough that a protocol costs nothing.
//
// `POSIXFileSystem` is the real one. The simulator brings one whose unsynced sectors are kept, lost or torn by dice.
// All calls block; they belong on the log, commit and chores threads, never on an event loop.

package import Base

/// A disk operation that failed: which, on what file, and why.
package struct FileError: Error, Sendable, Hashable {
    /// What was tried: "open", "read", "write", "fdatasync", …
    package var operation: String
    package var path: String
    /// The system's error number (`ENOSPC`, `EIO`, …), or 0 where the reason is not the system's.
    package var number: Int32
    /// The system's own words, such as "no space left on device".
    package var reason: String

    package init(operation: String, path: String, number: Int32, reason: String) {
        self.operation = operation
        self.path = path
        self.number = number
        self.reason = reason
    }
}

extension FileError: CustomStringConvertible {
    /// In the form Go prints such errors: "open default.etcd/member/snap/db: permission denied".
    package var description: String { "\(operation) \(path): \(reason)" }
}

/// How a file is opened.
package struct OpenOptions: Sendable, Hashable {
    package var write: Bool
    /// Create the file if it is missing.
    package var create: Bool
    /// Fail if the file exists already; with `create` only.
    package var exclusive: Bool
    /// Empty the file first.
    package var truncate: Bool
    /// Permissions of a file this call creates.
    package var mode: UInt16

    package init(write: Bool = false, create: Bool = false, exclusive: Bool = false, truncate: Bool = false, mode: UInt16 = 0o600) {
        self.write = write
        self.create = create
        self.exclusive = exclusive
        self.truncate = truncate
        self.mode = mode
    }

    package static let read = OpenOptions()
    package static let readWrite = OpenOptions(write: true)
    package static let createOrOpen = OpenOptions(write: true, create: true)
    package static let createNew = OpenOptions(write: true, create: true, exclusive: true)
    package static let createOrTruncate = OpenOptions(write: true, create: true, truncate: true)
}

/// What is known of a path without opening it.
package struct FileStatus: Sendable, Hashable {
    package var isDirectory: Bool
    package var sizeBytes: UInt64
    /// The permission bits, such as 0o700.
    package var mode: UInt16

    package init(isDirectory: Bool, sizeBytes: UInt64, mode: UInt16) {
        self.isDirectory = isDirectory
        self.sizeBytes = sizeBytes
        self.mode = mode
    }
}

package protocol FileSystem: Sendable {
    func open(_ path: String, _ options: OpenOptions) throws(FileError) -> any File
    /// Creates the directory and its missing parents.
    func createDirectory(_ path: String, mode: UInt16) throws(FileError)
    /// The names in a directory, sorted, without "." and "..".
    func list(_ path: String) throws(FileError) -> [String]
    /// Nil if nothing is there.
    func status(_ path: String) throws(FileError) -> FileStatus?
    /// Durable only after `syncDirectory` of the directories concerned.
    func rename(_ source: String, to target: String) throws(FileError)
    func remove(_ path: String) throws(FileError)
    /// Removes a directory and all it holds; nothing there is no error.
    func removeTree(_ path: String) throws(FileError)
    /// Makes creations, renames and removals in the directory durable.
    func syncDirectory(_ path: String) throws(FileError)
}

/// An open file. Reads and writes carry their offset, so that several threads may read one file.
package protocol File: AnyObject, Sendable {
    var path: String { get }
    /// Fills `buffer` from `offset` on; fewer bytes come back only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int
    /// Writes all of `buffer`.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
    /// Writes the pieces one behind the other, in as few system calls as the system allows.
    func write(_ pieces: [Bytes], at offset: UInt64) throws(FileError)
    /// `fdatasync`: the data, and the size if it changed, survive a power cut when this returns. Never retry a failed one.
    func synchronizeData() throws(FileError)
    func size() throws(FileError) -> UInt64
    /// Shortens or (with zeroes) lengthens the file.
    func truncate(to size: UInt64) throws(FileError)
    /// Reserves the disk blocks up to `size` and lengthens the file to it, reading as zeroes.
    func preallocate(to size: UInt64) throws(FileError)
    /// Sends writes past the system's cache, or through it again. While they go past it, their addresses in memory, offsets
    /// and lengths are multiples of 4096.
    /// - Returns: whether writes go past the cache now; false where the file system has no such way.
    func bypassCache(_ bypasses: Bool) -> Bool
    /// Takes the exclusive lock of the whole file, in both kinds that etcd and bbolt use; false if another open file
    /// holds it, in this process or another.
    func tryLock() throws(FileError) -> Bool
    func unlock() throws(FileError)
    /// Maps `length` bytes for reading. Bytes past the file's end must not be touched until the file has grown over them.
    func map(length: Int) throws(FileError) -> MappedRegion
    /// Closing twice is harmless; the lock goes with it. Mappings live on.
    func close()
}

extension File {
    package func bypassCache(_ bypasses: Bool) -> Bool { false }

    /// The `count` bytes at `offset`; fewer at the end of the file.
    package func read(count: Int, at offset: UInt64) throws(FileError) -> [UInt8] {
        var failure: FileError?
        let array = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(FileError) {
                filled = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch {
                filled = 0
                failure = error
            }
        }
        if let failure { throw failure }
        return array
    }

    package func write(_ bytes: Bytes, at offset: UInt64) throws(FileError) {
        try bytes.withUnsafeBytes { (buffer) throws(FileError) in try write(buffer, at: offset) }
    }
}

extension FileSystem {
    package func exists(_ path: String) throws(FileError) -> Bool {
        try status(path) != nil
    }

    /// The whole of a file.
    package func contents(of path: String) throws(FileError) -> Bytes {
        let file = try open(path, .read)
        defer { file.close() }
        return Bytes(try file.read(count: Int(try file.size()), at: 0))
    }
}

/// The directory part of a path: everything before its last slash, "." if it has none.
package func parentDirectory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}
