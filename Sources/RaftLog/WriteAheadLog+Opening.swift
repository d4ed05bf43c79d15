// Creating a log, opening one to go on with it, and reading one that may be somebody else's.

package import Base
package import FileIO
package import RaftWire

extension WriteAheadLog {
    /// Creates a log whose first segment has the metadata and a record of the empty snapshot. It appears under its name
    /// complete and durable, or not at all.
    package static func create(
        _ fileSystem: any FileSystem,
        _ directory: String,
        metadata: Bytes,
        options: Options = Options()
    ) throws(WALError) -> WriteAheadLog {
        if try disk({ () throws(FileError) in try WALDirectory.holdsLog(fileSystem, directory) }) {
            throw .exists(directory: directory)
        }
        let temporary = directory + ".tmp"
        do throws(FileError) {
            try fileSystem.removeTree(temporary)
            try fileSystem.createDirectory(temporary, mode: WALFormat.directoryMode)
            return try create(fileSystem, directory, under: temporary, metadata, options)
        } catch {
            try? fileSystem.removeTree(temporary)
            throw .file(error)
        }
    }

    private static func create(
        _ fileSystem: any FileSystem,
        _ directory: String,
        under temporary: String,
        _ metadata: Bytes,
        _ options: Options
    ) throws(FileError) -> WriteAheadLog {
        let name = WALFileName(sequence: 0, firstIndex: 0)
        let preparation = SegmentPreparation(
            fileSystem: fileSystem,
            path: "\(temporary)/\(name)",
            sizeBytes: options.segmentSizeBytes
        )
        let first = OpenSegment(name: name, path: "\(directory)/\(name)", file: try preparation.run().file)
        var log = WriteAheadLog(
            fileSystem: fileSystem,
            directory: directory,
            options: options,
            metadata: metadata,
            hardState: HardState(),
            lastIndex: 0,
            offset: 0,
            segments: [first],
            encoder: FrameEncoder(checksum: 0)
        )
        log.writeHeader()
        log.append(WALSnapshot(index: 0, term: 0, confState: nil))
        try log.flush()
        try log.synchronize()
        try fileSystem.syncDirectory(temporary)
        try fileSystem.removeTree(directory)
        try fileSystem.rename(temporary, to: directory)
        try fileSystem.syncDirectory(parentDirectory(of: directory))
        return log
    }

    /// Opens a log to append to it, having read it from `snapshot` on (see `takeContents`). An unfinished write at its
    /// end is cut off, after the segment was copied beside itself; damage anywhere is an error and changes nothing.
    package static func open(
        _ fileSystem: any FileSystem,
        _ directory: String,
        at snapshot: WALSnapshot,
        options: Options = Options()
    ) throws(WALError) -> WriteAheadLog {
        let listing = try WALDirectory(fileSystem, directory)
        let segments = try listing.open(try listing.segments(from: snapshot.index), in: fileSystem, writing: true)
        guard let tail = segments.last else { preconditionFailure("no segment was wanted") }
        do throws(WALError) {
            var contents = try WALContents(segments, from: snapshot)
            try disk { () throws(FileError) in
                if contents.tornTail != nil { contents.brokenCopy = try WALRepair.copyBroken(tail, in: fileSystem) }
                try WALRepair.clear(tail.file, from: contents.end.offset)
                // A tail that Go's repair cut short: writes that lengthen a file sync slower. Only an improvement.
                if try tail.file.size() < options.segmentSizeBytes {
                    try? tail.file.preallocate(to: options.segmentSizeBytes)
                }
            }
            return WriteAheadLog(
                fileSystem: fileSystem,
                directory: directory,
                options: options,
                metadata: contents.metadata,
                hardState: contents.hardState,
                lastIndex: contents.lastIndex,
                offset: contents.end.offset,
                segments: segments,
                encoder: FrameEncoder(checksum: contents.checksum),
                contents: contents
            )
        } catch {
            for segment in segments { segment.file.close() }
            throw error
        }
    }

    /// Reads a log without locking or changing it, from `snapshot` on.
    package static func read(
        _ fileSystem: any FileSystem,
        _ directory: String,
        at snapshot: WALSnapshot
    ) throws(WALError) -> WALContents {
        let listing = try WALDirectory(fileSystem, directory)
        return try read(fileSystem, listing, try listing.segments(from: snapshot.index), from: snapshot)
    }

    /// The snapshots that a restart may begin from: those recorded whose index the log has committed, oldest first.
    package static func validSnapshots(
        _ fileSystem: any FileSystem,
        _ directory: String
    ) throws(WALError) -> [WALSnapshot] {
        let listing = try WALDirectory(fileSystem, directory)
        if listing.segments.isEmpty { throw .noFiles(directory: directory) }
        return try read(fileSystem, listing, listing.segments[...], from: nil).committedSnapshots
    }

    /// Reads a log without locking or changing it, with the entries after `index`: for looking at it, as no snapshot needs
    /// to be recorded there.
    package static func inspect(
        _ fileSystem: any FileSystem,
        _ directory: String,
        after index: LogIndex
    ) throws(WALError) -> WALContents {
        let listing = try WALDirectory(fileSystem, directory)
        let start = WALSnapshot(index: index, term: 0)
        return try read(fileSystem, listing, try listing.segments(from: index), from: start, wantsRecord: false)
    }

    private static func read(
        _ fileSystem: any FileSystem,
        _ listing: WALDirectory,
        _ names: ArraySlice<WALFileName>,
        from start: WALSnapshot?,
        wantsRecord: Bool = true
    ) throws(WALError) -> WALContents {
        let segments = try listing.open(names, in: fileSystem, writing: false)
        defer {
            for segment in segments { segment.file.close() }
        }
        return try WALContents(segments, from: start, wantsRecord: wantsRecord)
    }
}
