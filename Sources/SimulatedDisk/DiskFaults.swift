// What may go wrong on a simulated disk. Everything is off by default: a disk that only loses power.

/// The faults a test plans for one disk.
package struct DiskFaults: Sendable, Hashable {
    /// The power fails in this operation, counted from 1 over all changing operations (see `SimulatedDisk.operationCount`).
    /// What the operation changes may or may not survive; it and everything after it throws.
    package var powerFailsAtOperation: Int?
    /// This synchronization, counted from 1 over files and directories, fails with EIO. As on Linux the data counts as
    /// clean afterwards: another synchronization succeeds and saves nothing, so that a retry is caught as the loss it is.
    package var failingSynchronization: Int?
    /// This write, counted from 1, fails with EIO after a part of it (by dice) is written.
    package var failingWrite: Int?
    /// The sizes of all files may not add up to more: beyond it writes stop midway with ENOSPC.
    package var capacityBytes: UInt64?
    /// A sector may survive a power failure in part: its front new, its back old, or the other way round.
    /// Off, sectors are kept or lost as wholes, as disks promise.
    package var tearsSectors: Bool

    package init(
        powerFailsAtOperation: Int? = nil,
        failingSynchronization: Int? = nil,
        failingWrite: Int? = nil,
        capacityBytes: UInt64? = nil,
        tearsSectors: Bool = false
    ) {
        self.powerFailsAtOperation = powerFailsAtOperation
        self.failingSynchronization = failingSynchronization
        self.failingWrite = failingWrite
        self.capacityBytes = capacityBytes
        self.tearsSectors = tearsSectors
    }
}
