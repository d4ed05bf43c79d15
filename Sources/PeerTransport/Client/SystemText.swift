// The system's words for its error numbers, in lower case as Go prints them.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

func systemText(_ number: CInt) -> String {
    guard let text = strerror(number) else { return "errno \(number)" }
    return String(cString: text).lowercased()
}

/// The wall clock.
func wallTime() -> WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(unixNanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
}
