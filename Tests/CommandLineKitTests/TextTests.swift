// Numbers, durations, quotes and bytes that are no text.

import Testing

@testable import CommandLineKit

@Suite struct TextTests {
    @Test(
        "numbers",
        arguments: [
            ("0", 10, 0), ("-9223372036854775808", 10, Int64.min), ("+7", 10, 7), ("7f", 16, 127), ("0x1F", 0, 31),
            ("0b101", 0, 5), ("017", 0, 15),
            ("0o17", 0, 15), ("1_000", 0, 1000), ("0x_ff", 0, 255),
        ]
    )
    func numbers(text: String, base: Int, value: Int64) throws { #expect(try GoNumber.int(text, base: base) == value) }

    @Test(
        "texts that are no numbers",
        arguments: [
            ("", 10, "invalid syntax"), ("x", 10, "invalid syntax"), ("1_000", 10, "invalid syntax"),
            ("1__0", 0, "invalid syntax"), ("0x", 0, "invalid syntax"),
            ("--1", 10, "invalid syntax"), ("1_", 0, "invalid syntax"),
            ("9223372036854775808", 10, "value out of range"),
            ("99999999999999999999999999", 10, "value out of range"), ("٣", 10, "invalid syntax"),
        ]
    )
    func noNumbers(text: String, base: Int, reason: String) {
        #expect(throws: NumberError(function: "ParseInt", text: text, reason: reason)) {
            try GoNumber.int(text, base: base)
        }
    }

    @Test func unsignedNumbersHaveNoSign() throws {
        #expect(try GoNumber.unsigned("ffffffffffffffff", base: 16) == UInt64.max)
        #expect(throws: NumberError.self) { try GoNumber.unsigned("+1") }
        #expect(throws: NumberError.self) { try GoNumber.unsigned("10000000000000000", base: 16) }
    }

    @Test(
        "durations",
        arguments: [
            ("0", Duration.zero), ("5s", .seconds(5)), ("1h2m3.5s", .milliseconds(3_723_500)),
            ("-1.5h", .seconds(-5400)), (".5s", .milliseconds(500)),
            ("100ms", .milliseconds(100)), ("3µs", .microseconds(3)), ("3us", .microseconds(3)),
            ("7ns", .nanoseconds(7)), ("1.s", .seconds(1)),
        ]
    )
    func durations(text: String, value: Duration) throws { #expect(try Duration.parsed(goText: text) == value) }

    @Test(
        "texts that are no durations",
        arguments: [
            ("", "time: invalid duration \"\""), ("5", "time: missing unit in duration \"5\""),
            ("5y", "time: unknown unit \"y\" in duration \"5y\""),
            ("s", "time: invalid duration \"s\""), (".s", "time: invalid duration \".s\""),
            ("-", "time: invalid duration \"-\""),
            (
                "9999999999999999999999999999999999999999h",
                "time: invalid duration \"9999999999999999999999999999999999999999h\""
            ),
            ("9223372036s9223372036s", "time: invalid duration \"9223372036s9223372036s\""),
        ]
    )
    func noDurations(text: String, message: String) {
        #expect(throws: DurationError(description: message)) { try Duration.parsed(goText: text) }
    }

    @Test(
        "quoting",
        arguments: [
            ([0x61], "\"a\""), (Array("a\"b\\".utf8), "\"a\\\"b\\\\\""),
            ([10, 9, 13, 7, 8, 11, 12], "\"\\n\\t\\r\\a\\b\\v\\f\""), ([0, 0x1F, 0x7F], "\"\\x00\\x1f\\x7f\""),
            ([0xFF, 0x61], "\"\\xffa\""), (Array("é€😀".utf8), "\"é€😀\""),
            (Array("\u{200B}\u{85}\u{E000}".utf8), "\"\\u200b\\u0085\\ue000\""), ([0xE2, 0x82], "\"\\xe2\\x82\""),
            (Array("\u{10FFFF}".utf8), "\"\\U0010ffff\""),
        ] as [([UInt8], String)]
    )
    func quoting(bytes: [UInt8], text: String) { #expect(bytes.quoted == text) }

    @Test func whatIsQuotedIsReadAgain() {
        var generator = Seeded(state: 20_261)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let found = QuotedText.unquote(Array(bytes.quoted.utf8)[...])
            #expect(found?.text == bytes)
            #expect(found?.rest.isEmpty == true)
        }
    }

    @Test func everyByteKeepsItsValue() {
        var generator = Seeded(state: 7)
        for round in 0..<3000 {
            var bytes = (0..<Int.random(in: 0..<9, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            // Characters that stand for bytes must come back as themselves, too.
            if round % 3 == 0 { bytes += Array("\u{10FE80}x\u{10FEFF}".utf8) }
            #expect(String(rawBytes: bytes).rawBytes == bytes)
        }
        #expect(String(rawBytes: Array("plain é".utf8)) == "plain é")
        #expect("\u{10FE80}".rawBytes == [0x80])
    }

    @Test(
        "words of a line",
        arguments: [
            ("put a b", ["put", "a", "b"]), ("  put\ta   ", ["put", "a"]),
            ("put \"a b\" 'c \"d'", ["put", "a b", "c \"d"]), ("put \"\\x41\\n\\u00e9\\101\"", ["put", "A\néA"]),
            ("put 'it", ["put", "it"]), ("put \"open", ["put", "open"]), ("a\"b c\"", ["a\"b", "c\""]), ("", []),
            ("\"\"", [""]),
        ]
    )
    func words(line: String, words: [String]) throws { #expect(try QuotedText.words(line) == words) }

    @Test("quotes that are none", arguments: ["\"\\q\"", "\"\\x4\"", "\"\\u12\"", "\"\\400\"", "\"\\'\""])
    func badQuotes(line: String) { #expect(throws: QuotedTextError()) { try QuotedText.words(line) } }

    @Test func bytesInQuotesAreKept() throws {
        #expect(try QuotedText.words("\"\\xff\\xfe\"").first?.rawBytes == [0xFF, 0xFE])
    }
}

@Suite struct ChildProcessTests {
    @Test(
        "a program's end is ours",
        arguments: [("exit 7", ChildProcess.Ending.exited(7)), ("true", .exited(0)), ("kill -9 $$", .signalled(9))]
    )
    func endings(script: String, ending: ChildProcess.Ending) throws {
        #expect(try ChildProcess.run(["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"]) == ending)
    }

    @Test func itSeesItsVariablesAndNoInput() throws {
        #expect(
            try ChildProcess.run(
                ["sh", "-c", "test \"$A\" = 'b c' && ! read x"],
                environment: ["A=b c", "PATH=/usr/bin:/bin"]
            ) == .exited(0)
        )
    }

    @Test func whatIsNotThereIsNamed() {
        #expect(throws: ChildProcessError(description: "exec: \"no-such-program\": executable file not found in $PATH"))
        {
            try ChildProcess.run(["no-such-program"], environment: [])
        }
        #expect(throws: ChildProcessError(description: "fork/exec /no/such: no such file or directory")) {
            try ChildProcess.run(["/no/such"], environment: [])
        }
    }

    @Test func endingsAreToldAsGoDoes() {
        #expect(ChildProcess.Ending.exited(3).description == "exit status 3")
        #expect(ChildProcess.Ending.signalled(9).description == "signal: killed")
        #expect(ChildProcess.Ending.signalled(9).code == 255)
    }
}

/// SplitMix64.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
