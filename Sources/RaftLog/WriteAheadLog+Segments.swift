// Writing to the tail segment, and going on to the next.

import Base
import FileIO
import RaftWire

extension WriteAheadLog {
    /// What to prepare for the next cut, or nil if that is done. `run` it anywhere, then `adopt` the result.
    package var nextPreparation: SegmentPreparation? {
        if prepared != nil || failure != nil { return nil }
        return SegmentPreparation(
            fileSystem: fileSystem,
            path: "\(directory)/\(preparedCount % 2).tmp",
            sizeBytes: options.segmentSizeBytes
        )
    }

    /// Takes over a prepared segment.
    package mutating func adopt(_ segment: PreparedSegment) {
        precondition(prepared == nil)
        prepared = segment
        preparedCount += 1
    }

    /// Prepares the next segment here and now, if none is prepared. An error doesn't harm the log: the cut tries again.
    package mutating func prepareNextSegment() throws(WALError) {
        if let preparation = nextPreparation { adopt(try disk { () throws(FileError) in try preparation.run() }) }
    }

    /// Writes the buffer at the end of the tail segment.
    mutating func flush() throws(FileError) {
        let file = tail.file
        let start = offset
        let count = encoder.count
        do throws(FileError) {
            try encoder.drain { (frames) throws(FileError) in try file.write(frames, at: start) }
        } catch {
            // Half a frame among zeroes would read as damage at the next start; cut it if the disk lets us.
            try? file.truncate(to: start)
            throw error
        }
        offset += UInt64(count)
    }

    /// Makes what was written to the tail segment durable.
    mutating func synchronize() throws(FileError) {
        if !options.unsafeNoSynchronization { try tail.file.synchronizeData() }
        mustSynchronize = false
    }

    /// Ends the tail segment and begins the next: complete and durable under a temporary name, then renamed. Returns
    /// the new segment's path.
    mutating func cut() throws(FileError) -> String {
        try tail.file.truncate(to: offset)
        try synchronize()
        if let preparation = nextPreparation { adopt(try preparation.run()) }
        guard let next = prepared.take() else { preconditionFailure("a segment was just prepared") }

        let name = WALFileName(sequence: tail.name.sequence + 1, firstIndex: lastIndex + 1)
        let path = "\(directory)/\(name)"
        segments.append(OpenSegment(name: name, path: path, file: next.file))
        offset = 0
        writeHeader()
        if !hardState.isEmpty { encoder.append(hardState) }
        try flush()
        try synchronize()
        try fileSystem.rename(next.path, to: path)
        try fileSystem.syncDirectory(directory)
        return path
    }

    /// What every segment begins with.
    mutating func writeHeader() {
        encoder.appendChecksum()
        encoder.append(.metadata, metadata)
    }
}
