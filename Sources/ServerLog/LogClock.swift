// Where log lines get their time from. Tests hand in a clock of their own; the member uses the system's.
import Glibc

package struct LogClock: Sendable {
    /// Nanoseconds since 1970-01-01 UTC.
    package let now: @Sendable () -> Int64
    /// Seconds the local zone is ahead of UTC at a time given in seconds since 1970.
    package let offsetSeconds: @Sendable (_ secondsSince1970: Int64) -> Int64

    package init(
        now: @escaping @Sendable () -> Int64,
        offsetSeconds: @escaping @Sendable (_ secondsSince1970: Int64) -> Int64 = { _ in 0 }
    ) {
        self.now = now
        self.offsetSeconds = offsetSeconds
    }

    /// The machine's wall clock and time zone.
    package static let system = LogClock(
        now: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        },
        offsetSeconds: { seconds in
            var time = time_t(seconds)
            var fields = tm()
            localtime_r(&time, &fields)
            return Int64(fields.tm_gmtoff)
        }
    )
}
