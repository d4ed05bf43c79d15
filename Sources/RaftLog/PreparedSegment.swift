// The next segment, preallocated while nobody waits, so that a cut only has to name it.

package import FileIO

/// A request for the next segment: it may run on another thread than the log's.
package struct SegmentPreparation: Sendable {
    let fileSystem: any FileSystem
    let path: String
    let sizeBytes: UInt64

    /// Creates and preallocates the file.
    package func run() throws(FileError) -> PreparedSegment {
        let file = try fileSystem.open(path, OpenOptions(write: true, create: true, mode: WALFormat.fileMode))
        do throws(FileError) {
            guard try file.tryLock() else {
                throw FileError(operation: "flock", path: path, number: 0, reason: "file already locked")
            }
            // What an interrupted cut left must not show between new frames.
            try file.truncate(to: 0)
            try file.preallocate(to: sizeBytes)
        } catch {
            file.close()
            throw error
        }
        return PreparedSegment(path: path, file: file)
    }
}

/// A locked, preallocated file, ready to become a segment.
package struct PreparedSegment: Sendable {
    let path: String
    let file: any File
}
