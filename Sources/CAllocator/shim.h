// What the C library's allocator gives back, which Swift's module of the C library leaves out.
#include <features.h>
#ifdef __GLIBC__
#include <malloc.h>

/// Gives pages that nothing uses back to the system.
static inline void allocator_trim(void) { malloc_trim(0); }
#else
static inline void allocator_trim(void) {}
#endif
