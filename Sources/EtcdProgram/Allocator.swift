// How the C library's allocator treats large values.

import CAllocator

enum Allocator {
    /// Left alone, the allocator takes what is larger than the largest freed so far from the heap, and a heap with holes
    /// of a megabyte each is never given back: a member that once held gigabytes of large values in its log would keep
    /// them. So the bound stays where it is; below it, holes are soon used again.
    private static let mappedBytesMin: Int32 = 512 << 10
    /// Well below what the system allows a process, which has other maps, too.
    private static let mapsMax: Int32 = 32_768
    /// Free memory at the heap's end that is kept, so that it does not grow and shrink with each burst.
    private static let keptBytesMax: Int32 = 8 << 20

    /// Before there are threads.
    static func prepare() {
        allocator_set(mappedBytesMin, mapsMax, keptBytesMax)
    }
}
