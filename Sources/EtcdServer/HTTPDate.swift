// The time in the fields of HTTP answers, as RFC 9110 writes it: the same text for a whole second.

import Glibc
import ServerLog

/// Confined to the member's loop.
final class HTTPDate {
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private var second = Int.min
    private var text = ""

    /// Now, such as `Sat, 28 Nov 2026 21:28:12 GMT`.
    var now: String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        if time.tv_sec != second {
            second = time.tv_sec
            text = Self.text(unixSeconds: Int64(time.tv_sec))
        }
        return text
    }

    static func text(unixSeconds: Int64) -> String {
        let time = CivilTime(nanoseconds: unixSeconds * 1_000_000_000, offsetSeconds: 0)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let weekday = weekdays[Int(((unixSeconds / 86_400) % 7 + 7) % 7)]
        let date = "\(weekday), \(two(time.day)) \(months[Int(time.month) - 1]) \(time.year)"
        return "\(date) \(two(time.hour)):\(two(time.minute)):\(two(time.second)) GMT"
    }
}
