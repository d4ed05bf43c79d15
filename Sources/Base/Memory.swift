// The C library's memory comparison under a name of ours, so that rooms above need not import the C library.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `memcmp`: negative, zero or positive as the first `count` bytes at `left` sort before, with or after those at `right`.
@usableFromInline
package func compareMemory(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Int {
    Int(memcmp(left, right, count))
}
