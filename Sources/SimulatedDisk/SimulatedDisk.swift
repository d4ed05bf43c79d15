// A disk in memory that fails like a disk: the simulator's and the crash tests' `FileSystem`.
//
// Writes are visible at once. A file's bytes and size are durable after `synchronizeData`, names after `syncDirectory`,
// nothing else is. `crash()` rolls dice over all the rest: unsynchronized 512-byte sectors are kept, lost or torn, sizes
// are the old, the new or between, changed names survive as a front part of the changes per directory.
// The same seed and the same calls give the same disk.

import Base
import FileIO
import Synchronization

/// A seeded disk in memory.
package final class SimulatedDisk: FileSystem {
    let state: Mutex<DiskState>

    package convenience init(seed: UInt64, faults: DiskFaults = DiskFaults()) {
        self.init(DiskState(random: SeededRandom(seed: seed), faults: faults))
    }

    private init(_ state: sending DiskState) {
        self.state = Mutex(state)
    }

    /// Takes the power away, for good: every later call on this disk throws. The disk as the machine finds it when the
    /// power is back is the result; another `seed` rolls other dice for the same accident.
    package func crash(seed: UInt64? = nil) -> SimulatedDisk {
        SimulatedDisk(
            state.withLock { state in
                state.powerIsOff = true
                if let seed { state.random = SeededRandom(seed: seed) }
                return state.afterPowerFailure()
            }
        )
    }

    /// The disk as it could be found if the power failed now; this one goes on.
    package func possibleCrash(seed: UInt64) -> SimulatedDisk {
        SimulatedDisk(
            state.withLock { state in
                var failing = state
                failing.random = SeededRandom(seed: seed)
                return failing.afterPowerFailure()
            }
        )
    }

    /// A disk of its own with the same visible files, all durable, none open.
    package func copy() -> SimulatedDisk {
        SimulatedDisk(state.withLock { $0.copied() })
    }

    /// The changing operations so far: creating opens, writes, synchronizations, truncations, preallocations, renames,
    /// removals, new directories.
    package var operationCount: Int { state.withLock { $0.operationCount } }

    /// Nothing can be read or written any more until `crash`; whoever lives on this disk is without power, too.
    package var powerIsOff: Bool { state.withLock { $0.powerIsOff } }

    package var synchronizationCount: Int { state.withLock { $0.synchronizationCount } }

    package var writeCount: Int { state.withLock { $0.writeCount } }

    /// The names of the changing operations since `startTrace`, such as "write member/wal/0.tmp".
    package var trace: [String] { state.withLock { $0.trace ?? [] } }

    package func startTrace() {
        state.withLock { $0.trace = [] }
    }

    package var faults: DiskFaults { state.withLock { $0.faults } }

    /// Plans other faults. The numbers in them count from the disk's first operation, not from now.
    package func plan(_ faults: DiskFaults) {
        state.withLock { $0.faults = faults }
    }

    /// Rots one bit (0 to 7) of a file, durably and visibly; false if there is no such byte.
    package func flipBit(of path: String, at offset: UInt64, bit: Int) -> Bool {
        state.withLock { state in
            guard let number = state.node(at: path), var node = state.files[number], Int(offset) < node.visible.size
            else {
                return false
            }
            var byte: UInt8 = 0
            _ = withUnsafeMutableBytes(of: &byte) { node.visible.read(into: $0, at: Int(offset)) }
            byte ^= 1 << UInt8(bit)
            withUnsafeBytes(of: byte) { node.write($0, at: Int(offset)) }
            node.durable.setSector(
                Int(offset) / FileContents.sectorSize,
                node.visible.sector(Int(offset) / FileContents.sectorSize)
            )
            state.files[number] = node
            return true
        }
    }
}
