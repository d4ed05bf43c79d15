// What the C library's allocator has and gives back, which Swift's module of the C library leaves out.
#include <features.h>
#include <stddef.h>
#ifdef __GLIBC__
#include <malloc.h>

/// Bytes that the program has of it.
static inline size_t allocator_used_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/// Gives pages that nothing uses back to the system.
static inline void allocator_trim(void) { malloc_trim(0); }
#else
static inline size_t allocator_used_bytes(void) { return (size_t)-1; }
static inline void allocator_trim(void) {}
#endif
