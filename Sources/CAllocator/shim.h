// The settings of the C library's allocator, which Swift's module of the C library leaves out.
#include <features.h>
#ifdef __GLIBC__
#include <malloc.h>

static inline void allocator_set(int mapped_bytes_min, int maps_max, int kept_bytes_max) {
    mallopt(M_MMAP_THRESHOLD, mapped_bytes_min);
    mallopt(M_MMAP_MAX, maps_max);
    mallopt(M_TRIM_THRESHOLD, kept_bytes_max);
}
#else
static inline void allocator_set(int mapped_bytes_min, int maps_max, int kept_bytes_max) {}
#endif
