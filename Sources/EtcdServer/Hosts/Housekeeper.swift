// What has to be given back now and then: old segments and snapshots, and free memory. On a thread of its own: to let go of
// a segment's 64 MB costs a file system ten milliseconds and more, and the first step after a load has many of them.

import FileIO
import NIOCore
import RaftLog
import ServerConfiguration
import ServerLog
import Threads

/// Confined to the member's loop but for the thread it starts.
final class Housekeeper {
    private let purges: [FilePurge]
    private let logger: ServerLogger
    private let isAtWork = Flag()
    private var steps: (count: Int, requests: UInt64) = (0, 0)

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

    /// Between steps.
    static let interval = TimeAmount.seconds(5)
    /// Every so many steps files are looked at: half a minute, as with etcd.
    private static let stepsBetweenPurges = 6
    /// A member that had fewer requests between two steps is idle.
    private static let idleRequestsMax: UInt64 = 50

    /// Begins a step, unless one is under way. Never waits. On the member's loop.
    /// - Parameter requests: how many there have been since the start.
    func step(requests: UInt64) {
        steps.count += 1
        let isIdle = requests &- steps.requests < Self.idleRequestsMax
        steps.requests = requests
        let purgesFiles = steps.count % Self.stepsBetweenPurges == 0
        guard isAtWork.take() else { return }
        startThread(named: "etcd-keeper") { [purges, logger, isAtWork] in
            if purgesFiles { for purge in purges { Self.run(purge, logger) } }
            FreeMemory.giveBack(isIdle: isIdle)
            isAtWork.clear()
        }
    }

    private static func run(_ purge: FilePurge, _ logger: ServerLogger) {
        do throws(FileError) {
            for name in try purge.step(POSIXFileSystem()).removed {
                logger.info("purged", [.string("path", "\(purge.directory)/\(name)")])
            }
        } catch {
            logger.warn("failed to purge files", [.string("dir", purge.directory), .error(error.description)])
        }
    }
}
