// Memory that was freed and is still the process's. The C library keeps what lies between pieces in use, and does so for
// ever: a member that held gigabytes of large values in its log would look as large when they are long gone.

import CAllocator
import Glibc

enum FreeMemory {
    /// Less is not worth the walk.
    private static let surplusBytesMin = 64 << 20
    /// Others wait for the allocator meanwhile, up to a tenth of a second for two gigabytes: more than this is given back
    /// when nobody asks for anything.
    private static let busySurplusBytesMax = 512 << 20

    /// Gives back what is free, if it is much.
    static func giveBack(isIdle: Bool) {
        guard let resident = residentBytes() else { return }
        let used = Int(clamping: allocator_used_bytes())
        guard resident > used, resident - used >= max(surplusBytesMin, used / 4) else { return }
        if isIdle || resident - used <= busySurplusBytesMax { allocator_trim() }
    }

    /// The process's own memory, without what is mapped from files.
    private static func residentBytes() -> Int? {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let text = [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
        let pages = text.split(separator: UInt8(ascii: " ")).map { Int(String(decoding: $0, as: UTF8.self)) ?? 0 }
        guard pages.count > 2 else { return nil }
        return max(0, pages[1] - pages[2]) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
