// Deletes old segments and snapshots now and then, on a thread of its own: to let go of a segment's 64 MB costs a file
// system ten milliseconds and more, and the first step after a load has many of them.

import FileIO
import RaftLog
import ServerConfiguration
import ServerLog
import Synchronization
import Threads

final class FilePurger: Sendable {
    private let purges: [FilePurge]
    private let logger: ServerLogger
    private let isAtWork = Atomic(false)

    init(_ configuration: ServerConfiguration, _ logger: ServerLogger) {
        let raft = configuration.raft
        let snapshots = configuration.snapshotDirectory
        purges = [
            (snapshots, ".snap.db", raft.maxSnapshots, false), (snapshots, ".snap", raft.maxSnapshots, false),
            (configuration.effectiveWALDirectory, ".wal", raft.maxWALs, true),
        ].filter { $0.2 > 0 }.map { directory, suffix, keep, locks in
            FilePurge(directory: directory, suffix: suffix, keep: Int(keep), respectsLocks: locks)
        }
        self.logger = logger
    }

    /// Begins a step, unless one is under way. Never waits.
    func step() {
        guard !purges.isEmpty, !isAtWork.exchange(true, ordering: .acquiring) else { return }
        startThread(named: "etcd-purge") { [self] in
            for purge in purges { run(purge) }
            isAtWork.store(false, ordering: .releasing)
        }
    }

    private func run(_ purge: FilePurge) {
        do throws(FileError) {
            for name in try purge.step(POSIXFileSystem()).removed {
                logger.info("purged", [.string("path", "\(purge.directory)/\(name)")])
            }
        } catch {
            logger.warn("failed to purge files", [.string("dir", purge.directory), .error(error.description)])
        }
    }
}
