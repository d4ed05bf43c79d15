// Deleting old segments and snapshots: all but the newest few, oldest first, and no segment the log still holds.

package import FileIO

/// What to keep of one kind of file in a directory; the chores run a step now and then (etcd: every 30 s).
package struct FilePurge: Sendable {
    package var directory: String
    /// ".wal", ".snap" or ".snap.db".
    package var suffix: String
    /// How many of the newest stay; 0 keeps all.
    package var keep: Int
    /// Delete a file only if its lock can be had, and stop at the first where it can't: the log holds the segments from
    /// its last snapshot on.
    package var respectsLocks: Bool

    package init(directory: String, suffix: String, keep: Int, respectsLocks: Bool) {
        self.directory = directory
        self.suffix = suffix
        self.keep = keep
        self.respectsLocks = respectsLocks
    }

    /// Which names of a listing are to go, oldest first. The names sort by age.
    package func surplus(_ names: [String]) -> [String] {
        if keep == 0 { return [] }
        return names.filter { $0.hasSuffix(suffix) }.sorted().dropLast(keep)
    }

    /// What one step did.
    package struct Outcome: Sendable, Equatable {
        package var removed: [String] = []
        /// The file whose lock somebody holds, where the step ended.
        package var locked: String?
    }

    /// Deletes what is to go now.
    package func step(_ fileSystem: any FileSystem) throws(FileError) -> Outcome {
        var outcome = Outcome()
        for name in surplus(try fileSystem.list(directory)) {
            let path = "\(directory)/\(name)"
            let file = respectsLocks ? try fileSystem.open(path, .readWrite) : nil
            // Held until the name is gone, so that nobody opens the file in between.
            defer { file?.close() }
            if let file, try !file.tryLock() {
                outcome.locked = name
                break
            }
            try fileSystem.remove(path)
            outcome.removed.append(name)
        }
        return outcome
    }
}
