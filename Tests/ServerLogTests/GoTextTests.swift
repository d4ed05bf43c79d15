import ServerLog
// Durations, byte counts and quoting against texts that Go programs produce.
import Testing

@Suite struct GoTextTests {
    @Test(
        arguments: [
            (0, "0s"), (1, "1ns"), (1_100, "1.1µs"), (999_999, "999.999µs"), (1_000_000, "1ms"),
            (100_000_000, "100ms"), (3_355_331, "3.355331ms"), (1_000_000_000, "1s"), (7_000_000_000, "7s"),
            (900_000_000, "900ms"), (1_500_000_000, "1.5s"), (60_000_000_000, "1m0s"), (7_200_000_000_000, "2h0m0s"),
            (3_661_000_000_001, "1h1m1.000000001s"), (-1_500_000, "-1.5ms"),
            (Int64.max, "2562047h47m16.854775807s"), (Int64.min, "-2562047h47m16.854775808s"),
        ] as [(Int64, String)]
    )
    func durationText(nanoseconds: Int64, text: String) throws {
        #expect(GoDuration(nanoseconds: nanoseconds).description == text)
        #expect(try GoDuration(parsing: text).nanoseconds == nanoseconds)
    }

    @Test(
        arguments: [
            ("0", 0), ("+5s", 5_000_000_000), ("1h30m", 5_400_000_000_000), (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("10us", 10_000), ("10μs", 10_000), ("-0.5h", -1_800_000_000_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
        ] as [(String, Int64)]
    )
    func durationParsing(text: String, nanoseconds: Int64) throws {
        #expect(try GoDuration(parsing: text).nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        ("", "time: invalid duration \"\""), ("zz", "time: invalid duration \"zz\""),
        ("5", "time: missing unit in duration \"5\""), ("-", "time: invalid duration \"-\""),
        ("5x", "time: unknown unit \"x\" in duration \"5x\""), (".s", "time: invalid duration \".s\""),
        ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
        ("3000000h", "time: invalid duration \"3000000h\""),
    ])
    func durationErrors(text: String, sentence: String) {
        #expect(throws: GoDurationError(description: sentence)) { try GoDuration(parsing: text) }
    }

    @Test func durationsSurviveARoundTrip() throws {
        var generator = SeededGenerator(seed: 20)
        for _ in 0..<2_000 {
            let shift = Int.random(in: 0..<63, using: &generator)
            let value = Int64.random(in: .min ... .max, using: &generator) >> Int64(shift)
            let text = GoDuration(nanoseconds: value).description
            #expect(try GoDuration(parsing: text).nanoseconds == value, "\(text)")
        }
    }

    @Test(
        arguments: [
            (0, "0 B"), (9, "9 B"), (10, "10 B"), (999, "999 B"), (1000, "1.0 kB"), (1_048_576, "1.0 MB"),
            (82_854_982, "83 MB"), (2_147_483_648, "2.1 GB"), (8_589_934_592, "8.6 GB"), (9_950, "10 kB"),
            (UInt64.max, "18 EB"),
        ] as [(UInt64, String)]
    )
    func byteCounts(count: UInt64, text: String) {
        #expect(humanizedBytes(count) == text)
    }

    @Test func quoting() {
        #expect(goQuoted("a\"b\\c\n\t\u{01}\u{7F}é\u{200B}") == #""a\"b\\c\n\t\x01\x7fé\u200b""#)
    }
}

/// A small generator for reproducible tests (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
