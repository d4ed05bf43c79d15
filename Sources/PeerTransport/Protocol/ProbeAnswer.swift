// The answer to a probe: `{"OK":true,"Now":"2026-11-24T08:19:33.5Z"}`, and the timestamps in it (RFC 3339).

import Base

/// A moment of the wall clock, in nanoseconds since 1970; good until 2262.
struct WallTime: Hashable {
    var unixNanoseconds: Int64
}

extension WallTime {
    private static let nanosecondsPerDay: Int64 = 86_400_000_000_000

    /// As Go writes it in UTC: fractions without zeroes at their end.
    var description: String {
        let days = Self.floor(unixNanoseconds, Self.nanosecondsPerDay)
        var rest = unixNanoseconds - days * Self.nanosecondsPerDay
        let date = Self.date(days)
        let fraction = rest % 1_000_000_000
        rest /= 1_000_000_000
        var text = "\(Self.pad(date.year, 4))-\(Self.pad(date.month, 2))-\(Self.pad(date.day, 2))T"
        text += "\(Self.pad(rest / 3600, 2)):\(Self.pad(rest / 60 % 60, 2)):\(Self.pad(rest % 60, 2))"
        if fraction > 0 {
            var digits = Self.pad(fraction, 9)
            while digits.last == "0" { digits.removeLast() }
            text += "." + digits
        }
        return text + "Z"
    }

    /// Reads any RFC 3339 time from 1678 to 2261.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        guard bytes.count >= 20, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] == UInt8(ascii: "T"), bytes[13] == 0x3A,
            bytes[16] == 0x3A, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1678...2261).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var position = 19
        var nanoseconds: Int64 = 0
        if bytes[position] == UInt8(ascii: ".") {
            position += 1
            var scale: Int64 = 100_000_000
            while position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 {
                nanoseconds += Int64(bytes[position] - 0x30) * scale
                scale /= 10
                position += 1
            }
        }
        var offsetSeconds: Int64 = 0
        guard position < bytes.count else { return nil }
        switch bytes[position] {
        case UInt8(ascii: "Z"): guard position + 1 == bytes.count else { return nil }
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard position + 6 == bytes.count, bytes[position + 3] == 0x3A, let hours = number(position + 1..<position + 3),
                let minutes = number(position + 4..<position + 6)
            else { return nil }
            offsetSeconds = (hours * 60 + minutes) * 60 * (bytes[position] == UInt8(ascii: "-") ? -1 : 1)
        default: return nil
        }
        let seconds = Self.days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offsetSeconds
        unixNanoseconds = seconds * 1_000_000_000 + nanoseconds
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : (value + 1) / divisor - 1
    }

    // Days since 1970 and back, in years that begin in March, so that leap days come last; an era has 400 of them.

    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = floor(marchYear, 400)
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floor(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

struct ProbeAnswer: Hashable {
    var isHealthy: Bool
    var now: WallTime

    init(isHealthy: Bool, now: WallTime) {
        self.isHealthy = isHealthy
        self.now = now
    }

    init?(_ body: Bytes) {
        guard let json = try? JSONValue(parsing: body), let now = json["Now"]?.string.flatMap({ WallTime($0) }) else { return nil }
        self.init(isHealthy: json["OK"]?.bool ?? false, now: now)
    }

    var encoded: Bytes {
        Bytes("{\"OK\":\(isHealthy),\"Now\":\"\(now.description)\"}\n")
    }
}

/// What probes have told of a peer.
struct ProbeStatus: Hashable {
    /// How much a new round trip counts against all before.
    private static let smoothing = 0.125

    private(set) var isHealthy = false
    private(set) var smoothedRoundTripSeconds = 0.0
    private(set) var clockDifferenceSeconds = 0.0
    private(set) var reason = ""

    mutating func record(roundTripSeconds: Double, remote: WallTime, local: WallTime) {
        isHealthy = true
        reason = ""
        smoothedRoundTripSeconds += (roundTripSeconds - smoothedRoundTripSeconds) * Self.smoothing
        let difference = Double(local.unixNanoseconds - remote.unixNanoseconds) / 1e9
        clockDifferenceSeconds = difference - smoothedRoundTripSeconds / 2
    }

    mutating func recordFailure(_ reason: String) {
        isHealthy = false
        self.reason = reason
    }
}
