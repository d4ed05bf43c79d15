// Lines on standard error about what is done, as etcdutl writes them: time, level, place, message, fields.

import CommandLineKit
import ServerLog

enum ConsoleLog {
    enum Value {
        case text(String)
        case number(Int64)
        case texts([String])
        case flag(Bool)

        var json: String {
            switch self {
            case .text(let text): goQuoted(text)
            case .number(let number): "\(number)"
            case .texts(let texts): "[" + texts.map(goQuoted).joined(separator: ", ") + "]"
            case .flag(let flag): "\(flag)"
            }
        }
    }

    static func info(
        _ message: String,
        _ fields: KeyValuePairs<String, Value> = [:],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        write("info", message, fields, file, line)
    }

    static func warn(
        _ message: String,
        _ fields: KeyValuePairs<String, Value> = [:],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        write("warn", message, fields, file, line)
    }

    static func error(
        _ message: String,
        _ fields: KeyValuePairs<String, Value> = [:],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        write("error", message, fields, file, line)
    }

    /// The line of a failure that nothing can follow, and what Go says at its end. The caller ends with `ExitCode.panic`.
    static func panic(
        _ message: String,
        _ fields: KeyValuePairs<String, Value> = [:],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        write("panic", message, fields, file, line)
        Terminal.error("panic: \(message)\n")
    }

    private static func write(
        _ level: String,
        _ message: String,
        _ fields: KeyValuePairs<String, Value>,
        _ file: StaticString,
        _ line: UInt
    ) {
        let now = LogClock.system.now()
        let offset = LogClock.system.offsetSeconds(now / 1_000_000_000)
        var text = "\(timestamp(now, offset))\t\(level)\t\(file):\(line)\t\(message)"
        if !fields.isEmpty {
            text += "\t{" + fields.map { "\(goQuoted($0.key)): \($0.value.json)" }.joined(separator: ", ") + "}"
        }
        Terminal.error(text + "\n")
    }

    /// RFC 3339, to the second.
    private static func timestamp(_ now: Int64, _ offset: Int64) -> String {
        let time = CivilTime(nanoseconds: now, offsetSeconds: offset)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let clock =
            "\(time.year)-\(two(time.month))-\(two(time.day))T\(two(time.hour)):\(two(time.minute)):\(two(time.second))"
        if offset == 0 { return clock + "Z" }
        let minutes = abs(offset) / 60
        return clock + (offset < 0 ? "-" : "+") + two(minutes / 60) + ":" + two(minutes % 60)
    }
}
