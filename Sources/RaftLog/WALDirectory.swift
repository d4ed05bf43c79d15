// The segments of a log's directory: which there are, and which a reader needs.

import Base
package import FileIO
import RaftWire

/// The directory of a log as listed once.
package struct WALDirectory: Sendable {
    package let path: String
    /// The segments in sequence.
    package let segments: [WALFileName]
    /// Names that are neither segments nor the preallocated `.tmp` files: worth a warning, otherwise left alone.
    package let ignored: [String]

    package init(_ fileSystem: any FileSystem, _ path: String) throws(WALError) {
        self.path = path
        let names = try disk { () throws(FileError) in try fileSystem.list(path) }
        segments = names.compactMap(WALFileName.init).sorted { $0.sequence < $1.sequence }
        ignored = names.filter { WALFileName($0) == nil && !$0.hasSuffix(".tmp") }
    }

    /// Whether there is a log: any segment, by its suffix, as etcd decides it.
    package static func holdsLog(_ fileSystem: any FileSystem, _ path: String) throws(FileError) -> Bool {
        guard try fileSystem.status(path)?.isDirectory == true else { return false }
        return try fileSystem.list(path).contains { $0.hasSuffix(WALFormat.fileSuffix) }
    }

    func path(of name: WALFileName) -> String { "\(path)/\(name)" }

    /// The segments from the last one that starts at or before `index`, without a gap.
    func segments(from index: LogIndex) throws(WALError) -> ArraySlice<WALFileName> {
        if segments.isEmpty { throw .noFiles(directory: path) }
        guard let first = segments.lastIndex(where: { $0.firstIndex <= index }) else {
            throw .noFile(snapshotIndex: index)
        }
        let wanted = segments[first...]
        for (name, next) in zip(wanted, wanted.dropFirst()) where name.sequence + 1 != next.sequence {
            throw .sequenceGap(directory: path, from: first)
        }
        return wanted
    }

    /// Opens segments; for writing, each under its exclusive lock.
    func open(_ names: ArraySlice<WALFileName>, in fileSystem: any FileSystem, writing: Bool) throws(WALError)
        -> [OpenSegment]
    {
        var open: [OpenSegment] = []
        for name in names {
            let path = path(of: name)
            let file = try disk { () throws(FileError) in
                try fileSystem.open(path, writing ? .readWrite : .read)
            }
            open.append(OpenSegment(name: name, path: path, file: file))
            guard writing else { continue }
            if try !disk({ () throws(FileError) in try file.tryLock() }) {
                for segment in open { segment.file.close() }
                throw .locked(path: path)
            }
        }
        return open
    }
}
