import ServerLog
// Lines byte for byte, levels, names and sampling.
import Synchronization
import Testing

/// Collects lines and serves a clock that only moves when told.
final class LogProbe: Sendable {
    private let lines = Mutex<[String]>([])
    private let time: Mutex<Int64>

    init(time: Int64 = 1_795_479_095_516_203_999) { self.time = Mutex(time) }

    var written: [String] { lines.withLock { $0 } }

    func advance(_ nanoseconds: Int64) { time.withLock { $0 += nanoseconds } }

    func clock(offsetSeconds: Int64 = 0) -> LogClock {
        LogClock(now: { self.time.withLock { $0 } }, offsetSeconds: { _ in offsetSeconds })
    }

    func logger(
        level: LogLevel = .info,
        format: LogFormat = .json,
        sampling: Bool = false,
        offsetSeconds: Int64 = 0
    ) throws -> ServerLogger {
        try ServerLogger(
            level: level,
            format: format,
            destinations: [
                .custom { bytes in self.lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } }
            ],
            sampling: sampling,
            clock: clock(offsetSeconds: offsetSeconds)
        )
    }
}

@Suite struct LineTests {
    @Test func jsonLineWithEveryKindOfField() throws {
        let probe = LogProbe()
        let logger = try probe.logger()
        logger.write(
            .info,
            "starting",
            caller: "embed/etcd.go:138",
            fields: [
                .string("name", "a"), .int("index", -1), .uint("streams", UInt32.max), .bool("pre-vote", true),
                .double("ratio", 0.25), .double("whole", 3), .double("tiny", 1e-7), .double("huge", 1.5e21),
                .double("nan", .nan), .duration("interval", .milliseconds(100)), .duration("took", Duration.seconds(7)),
                .strings("urls", ["http://a:1", "b"]), .strings("none", []), .raw("json", json: "{\"x\":[1]}"),
                .error("it <broke> & \"fell\""),
            ]
        )
        #expect(
            probe.written == [
                #"{"level":"info","ts":"2026-11-24T00:11:35.516203Z","caller":"embed/etcd.go:138","msg":"starting","#
                    + #""name":"a","index":-1,"streams":4294967295,"pre-vote":true,"ratio":0.25,"whole":3,"#
                    + #""tiny":0.0000001,"huge":1500000000000000000000,"nan":"NaN","interval":"100ms","took":"7s","#
                    + #""urls":["http://a:1","b"],"none":[],"json":{"x":[1]},"error":"it <broke> & \"fell\""}"# + "\n"
            ]
        )
    }

    @Test func loggerNamesComeBehindTheTimeAndAreJoined() throws {
        let probe = LogProbe()
        let logger = try probe.logger().named("raft").named("log").with([.int("id", 1)])
        logger.write(.warn, "m", caller: "f:1", fields: [.int("n", 2)])
        #expect(
            probe.written == [
                #"{"level":"warn","ts":"2026-11-24T00:11:35.516203Z","logger":"raft.log","caller":"f:1","msg":"m","#
                    + #""id":1,"n":2}"# + "\n"
            ]
        )
    }

    @Test func consoleLineHasColumns() throws {
        let probe = LogProbe()
        let logger = try probe.logger(format: .console, offsetSeconds: -12_600)
        logger.named("raft").write(
            .error,
            "a \"b\"",
            caller: "f:1",
            fields: [.int("n", 2), .strings("s", ["x", "y"])]
        )
        logger.write(.info, "plain", caller: "f:2", fields: [])
        #expect(
            probe.written == [
                "2026-11-23T20:41:35.516203-0330\terror\traft\tf:1\ta \"b\"\t{\"n\": 2, \"s\": [\"x\", \"y\"]}\n",
                "2026-11-23T20:41:35.516203-0330\tinfo\tf:2\tplain\n",
            ]
        )
    }

    @Test func callerIsTheSourceLine() throws {
        let probe = LogProbe()
        try probe.logger().info("m")
        #expect(probe.written[0].contains(#""caller":"ServerLogTests/LineTests.swift:"#))
    }

    @Test(arguments: [
        ("a\"b\\", #""a\"b\\""#), ("\n\r\t", #""\n\r\t""#),
        ("\u{00}\u{08}\u{0C}\u{1F}", #""\u0000\u0008\u000c\u001f""#),
        ("é\u{2028}\u{7F}<&>/", "\"é\u{2028}\u{7F}<&>/\""),
    ])
    func escaping(text: String, literal: String) throws {
        let probe = LogProbe()
        try probe.logger().write(.info, text, caller: "", fields: [])
        #expect(probe.written == [#"{"level":"info","ts":"2026-11-24T00:11:35.516203Z","msg":"# + literal + "}\n"])
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_001_000, "2000-02-29T00:00:00.000001Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
        ] as [(Int64, String)]
    )
    func timestamps(nanoseconds: Int64, text: String) throws {
        let probe = LogProbe(time: nanoseconds)
        try probe.logger().info("m")
        #expect(probe.written[0].hasPrefix(#"{"level":"info","ts":""# + text + #"","#))
    }

    @Test func levelsAreFilteredAndMayChange() throws {
        let probe = LogProbe()
        let logger = try probe.logger(level: .warn)
        let child = logger.named("x")
        var built = 0
        func fields() -> [LogField] {
            built += 1
            return []
        }
        logger.debug("1", fields())
        logger.info("2", fields())
        child.warn("3", fields())
        logger.level = .debug
        child.debug("4", fields())
        logger.fatal("5")
        logger.dpanic("6")
        logger.panic("7")
        #expect(built == 2)
        #expect(probe.written.map { $0.split(separator: "\"")[3] } == ["warn", "debug", "fatal", "dpanic", "panic"])
    }

    @Test func levelNames() {
        #expect(LogLevel.allCases.map { LogLevel(name: $0.name) } == LogLevel.allCases)
        #expect(LogLevel(name: "") == .info)
        #expect(LogLevel(name: "WARN") == .warn)
        #expect(LogLevel(name: "Warn") == nil)
        #expect(LogLevel(name: "zzz") == nil)
    }

    @Test func samplingThinsOutRepeatedMessages() throws {
        let probe = LogProbe()
        let logger = try probe.logger(sampling: true)
        for _ in 0..<350 { logger.info("again") }
        // 100 at once, then the 200th and the 300th.
        #expect(probe.written.count == 102)
        logger.warn("again")
        logger.info("other")
        #expect(probe.written.count == 104)
        probe.advance(999_999_999)
        logger.info("again")
        #expect(probe.written.count == 104)
        probe.advance(1)
        for _ in 0..<101 { logger.info("again") }
        #expect(probe.written.count == 204)
    }
}
