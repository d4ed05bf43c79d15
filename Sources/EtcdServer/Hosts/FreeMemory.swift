// Memory that was freed and is still the process's. The C library keeps what lies between pieces in use, and does so for
// ever: a member that held gigabytes of large values in its log would look as large when they are long gone.

import CAllocator
import Profiling

enum FreeMemory {
    /// Less is not worth the walk.
    private static let surplusBytesMin: UInt64 = 64 << 20
    /// Others wait for the allocator meanwhile, up to a tenth of a second for two gigabytes: more than this is given back
    /// when nobody asks for anything.
    private static let busySurplusBytesMax: UInt64 = 512 << 20

    /// Gives back what is free, if it is much.
    static func giveBack(isIdle: Bool) {
        guard let unused = ProcessMemory.unused(), unused.bytes >= max(surplusBytesMin, unused.used / 4) else { return }
        if isIdle || unused.bytes <= busySurplusBytesMax { allocator_trim() }
    }
}
