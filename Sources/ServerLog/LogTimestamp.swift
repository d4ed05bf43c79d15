// Time stamps of log lines: ISO 8601 with microseconds, "Z" for UTC and "+0200" otherwise.
// Written without a formatter: a line's time stamp is a few divisions on the wall clock's nanoseconds.

/// A wall-clock reading split into civil fields.
package struct CivilTime: Sendable, Equatable {
    package var year: Int64
    package var month: Int64
    package var day: Int64
    package var hour: Int64
    package var minute: Int64
    package var second: Int64
    package var nanosecond: Int64

    /// - Parameters:
    ///   - nanoseconds: since 1970-01-01 UTC.
    ///   - offsetSeconds: of the local zone, positive east of Greenwich.
    package init(nanoseconds: Int64, offsetSeconds: Int64) {
        let secondsTotal = Self.floorDivide(nanoseconds, 1_000_000_000)
        nanosecond = nanoseconds - secondsTotal * 1_000_000_000
        let local = secondsTotal + offsetSeconds
        let days = Self.floorDivide(local, 86_400)
        let secondOfDay = local - days * 86_400
        hour = secondOfDay / 3600
        minute = secondOfDay / 60 % 60
        second = secondOfDay % 60

        // Days to a proleptic Gregorian date: years counted from March, in eras of 400 years.
        let shifted = days + 719_468
        let era = Self.floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }
}

extension CivilTime {
    /// A moment as lines write it, in UTC.
    package static func timestamp(nanoseconds: Int64) -> String {
        var buffer: [UInt8] = []
        CivilTime(nanoseconds: nanoseconds, offsetSeconds: 0).appendTimestamp(offsetSeconds: 0, to: &buffer)
        return String(decoding: buffer, as: UTF8.self)
    }

    /// Appends the line's time stamp, for example `2026-11-24T00:11:35.516203Z`.
    func appendTimestamp(offsetSeconds: Int64, to buffer: inout [UInt8]) {
        buffer.appendPadded(year, width: 4)
        buffer.append(UInt8(ascii: "-"))
        buffer.appendPadded(month, width: 2)
        buffer.append(UInt8(ascii: "-"))
        buffer.appendPadded(day, width: 2)
        buffer.append(UInt8(ascii: "T"))
        buffer.appendPadded(hour, width: 2)
        buffer.append(UInt8(ascii: ":"))
        buffer.appendPadded(minute, width: 2)
        buffer.append(UInt8(ascii: ":"))
        buffer.appendPadded(second, width: 2)
        buffer.append(UInt8(ascii: "."))
        buffer.appendPadded(nanosecond / 1000, width: 6)
        if offsetSeconds == 0 {
            buffer.append(UInt8(ascii: "Z"))
        } else {
            buffer.append(offsetSeconds < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            let minutes = abs(offsetSeconds) / 60
            buffer.appendPadded(minutes / 60, width: 2)
            buffer.appendPadded(minutes % 60, width: 2)
        }
    }

    /// The part of a rotated file's name that says when it was set aside: `2026-11-24T00-11-35.516`.
    var backupName: String {
        var buffer: [UInt8] = []
        buffer.appendPadded(year, width: 4)
        buffer.append(UInt8(ascii: "-"))
        buffer.appendPadded(month, width: 2)
        buffer.append(UInt8(ascii: "-"))
        buffer.appendPadded(day, width: 2)
        buffer.append(UInt8(ascii: "T"))
        buffer.appendPadded(hour, width: 2)
        buffer.append(UInt8(ascii: "-"))
        buffer.appendPadded(minute, width: 2)
        buffer.append(UInt8(ascii: "-"))
        buffer.appendPadded(second, width: 2)
        buffer.append(UInt8(ascii: "."))
        buffer.appendPadded(nanosecond / 1_000_000, width: 3)
        return String(decoding: buffer, as: UTF8.self)
    }
}

extension [UInt8] {
    /// Appends a decimal number of at least `width` digits.
    mutating func appendPadded(_ value: Int64, width: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        let digits = String(value.magnitude).utf8
        if digits.count < width { append(contentsOf: repeatElement(UInt8(ascii: "0"), count: width - digits.count)) }
        append(contentsOf: digits)
    }
}
