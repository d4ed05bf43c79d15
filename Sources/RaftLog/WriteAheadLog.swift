// The write-ahead log, open for appending: what a member has promised to remember, in etcd's format.
//
// Owned by one lane, synchronous, without threads or clocks. Records are encoded into one buffer by `append` and reach
// the disk in `commit`: one write, and one synchronization if anything in the batch has to outlive a crash before it is
// answered. That is the group commit: a lane appends all it has drained, then commits once.
//
// Invariants
//   - The bytes of the tail segment from `offset` on are zero, and so are those a failed write may have left (or the
//     log is unusable).
//   - Every segment in `segments` is locked by us; the last one is the tail.
//   - After a failed write or synchronization nothing more is written: which bytes are on disk is unknown then, and a
//     second synchronization that succeeds would prove nothing.

package import Base
import FileIO
package import RaftWire

package struct WriteAheadLog: ~Copyable {
    /// How a log is kept.
    package struct Options: Sendable {
        /// The size segments are preallocated to and cut at.
        package var segmentSizeBytes: UInt64
        /// For tests of other parts only (`--unsafe-no-fsync`): a power failure may lose acknowledged writes.
        package var unsafeNoSynchronization: Bool

        package init(segmentSizeBytes: UInt64 = WALFormat.segmentSizeBytes, unsafeNoSynchronization: Bool = false) {
            precondition(segmentSizeBytes > 0)
            self.segmentSizeBytes = segmentSizeBytes
            self.unsafeNoSynchronization = unsafeNoSynchronization
        }
    }

    /// What a commit did, for the host's figures and log lines.
    package struct Commit: Sendable, Equatable {
        package var bytesWritten = 0
        /// Whether the disk was waited for. If not, nothing in the batch needed it.
        package var didSynchronize = false
        /// The path of the segment this commit began, if it did.
        package var newSegment: String?
    }

    let fileSystem: any FileSystem
    package let directory: String
    package let options: Options
    package let metadata: Bytes
    /// The last hard state appended.
    package internal(set) var hardState: HardState
    /// The index of the last entry or snapshot appended.
    package internal(set) var lastIndex: LogIndex
    /// Where the next frame goes in the tail segment.
    package internal(set) var offset: UInt64

    var segments: [OpenSegment]
    var encoder: FrameEncoder
    /// Something in the buffer must be durable before it is acknowledged.
    var mustSynchronize = false
    var prepared: PreparedSegment?
    /// How many segments were prepared: their names alternate, as one of them may just be getting its final name.
    var preparedCount = 0
    var failure: FileError?
    var contents: WALContents?

    /// The tail segment's path.
    package var tailPath: String { tail.path }

    var tail: OpenSegment {
        guard let last = segments.last else { preconditionFailure("a log without segments") }
        return last
    }

    /// What `open` read: the metadata, hard state and entries from the snapshot on. Given once; the log keeps no copy.
    package mutating func takeContents() -> WALContents? {
        contents.take()
    }

    // MARK: Appending

    /// Encodes entries, then the hard state unless it is empty. Nothing is written before `commit`.
    package mutating func append(_ entries: [Entry], _ newState: HardState) {
        for entry in entries { encoder.append(entry) }
        if let last = entries.last {
            lastIndex = last.index
            mustSynchronize = true
        }
        if newState.isEmpty { return }
        // A commit index alone can be learnt again; a vote or term given out can't be taken back.
        if newState.term != hardState.term || newState.vote != hardState.vote { mustSynchronize = true }
        encoder.append(newState)
        hardState = newState
    }

    /// Encodes a snapshot record. The snapshot itself must be durable before.
    package mutating func append(_ snapshot: WALSnapshot) {
        precondition(snapshot.index == 0 || snapshot.confState != nil, "a snapshot record without its configuration")
        encoder.append(.snapshot, snapshot.encoded())
        lastIndex = max(lastIndex, snapshot.index)
        mustSynchronize = true
    }

    /// Writes what was appended with one call, makes it durable if it has to be, and begins a new segment if this one
    /// is full.
    @discardableResult
    package mutating func commit() throws(WALError) -> Commit {
        if let failure { throw .unusable(because: failure) }
        guard !encoder.isEmpty else { return Commit() }
        do throws(FileError) {
            var done = Commit(bytesWritten: encoder.count)
            try flush()
            if offset >= options.segmentSizeBytes {
                done.newSegment = try cut()
                done.didSynchronize = true
            } else if mustSynchronize {
                try synchronize()
                done.didSynchronize = true
            }
            return done
        } catch {
            failure = error
            throw .file(error)
        }
    }

    /// `append` and `commit` of one batch.
    @discardableResult
    package mutating func save(_ entries: [Entry], _ hardState: HardState) throws(WALError) -> Commit {
        append(entries, hardState)
        return try commit()
    }

    /// Records a snapshot; durable when this returns.
    @discardableResult
    package mutating func saveSnapshot(_ snapshot: WALSnapshot) throws(WALError) -> Commit {
        append(snapshot)
        return try commit()
    }

    /// Makes everything written durable, commit indexes included.
    package mutating func synchronizeAll() throws(WALError) {
        try commit()
        do throws(FileError) {
            try synchronize()
        } catch {
            failure = error
            throw .file(error)
        }
    }

    /// Lets go of the segments that hold nothing from `index` on, so that they may be purged. The one that `index` is in
    /// stays, and the tail.
    package mutating func releaseSegments(before index: LogIndex) {
        let firstLater = segments.firstIndex { $0.name.firstIndex >= index } ?? segments.count
        let released = firstLater - 1
        guard released > 0 else { return }
        for segment in segments[..<released] { segment.file.close() }
        segments.removeFirst(released)
    }

    /// Makes the last writes durable and closes the files.
    package consuming func close() throws(WALError) {
        defer {
            if let prepared {
                prepared.file.close()
                // Only tidiness: a file left behind is emptied when its name is used again.
                try? fileSystem.remove(prepared.path)
            }
            for segment in segments { segment.file.close() }
        }
        if failure == nil { try synchronizeAll() }
    }
}
