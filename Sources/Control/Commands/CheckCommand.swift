// check perf and check datascale: a bounded load, and whether the cluster bore it.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum CheckCommand {
    static let command: Command = {
        var command = Command(
            "check",
            "<subcommand>",
            "Tries how much the cluster bears",
            long:
                "Puts a load on the cluster and tells how it bore it. Don't do this to a cluster that has other work.",
            group: "utility"
        )
        command.commands = [dataScale, performance]
        return command
    }()

    // MARK: What both have

    /// The four sizes, and their names on the command line.
    private enum Size: String, CaseIterable {
        case small, medium, large, xLarge

        init?(word: String) {
            let short = ["s": Size.small, "m": .medium, "l": .large, "xl": .xLarge]
            guard let size = short[word] ?? Size(rawValue: word) else { return nil }
            self = size
        }
    }

    private static func flags(_ prefix: String) -> [Flag] {
        [
            Flag(
                "load",
                nil,
                .string,
                "s",
                "how much: s(mall), m(edium), l(arge) or xl(arge), written xLarge",
                choices: Size.allCases.map(\.rawValue)
            ),
            Flag("prefix", nil, .string, prefix, "where the check's keys are written"),
            Flag("auto-compact", nil, .bool, "", "compact the history after the check"),
            Flag("auto-defrag", nil, .bool, "", "defragment the endpoints after the check"),
        ]
    }

    private static func size(_ call: Invocation) throws(CommandExit) -> Size {
        guard let size = Size(word: call.string("load")) else {
            throw CommandExit(ExitCode.badFeature, "unknown load option \(call.string("load"))")
        }
        return size
    }

    private static func range(_ prefix: String) -> (key: Data, end: Data) {
        let bytes = prefix.rawBytes
        return (Data(bytes), Data(prefixEnd(bytes)))
    }

    private static func refuseUsed(_ prefix: String, _ context: Context, quote: String) async throws(CommandExit) {
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(
                .range,
                .with {
                    ($0.key, $0.rangeEnd) = range(prefix)
                    $0.limit = 1
                }
            )
        }
        if !answer.kvs.isEmpty {
            throw CommandExit(
                ExitCode.invalidInput,
                "prefix \(prefix.quoted) has keys. Delete with \(quote)etcdctl del --prefix \(prefix)\(quote) first"
            )
        }
    }

    private static let cleanUpTimeout = Duration.seconds(30)

    private static func delete(_ prefix: String, _ context: Context) async throws(ClientError) -> Int64 {
        try await context.client.call(
            .deleteRange,
            .with { ($0.key, $0.rangeEnd) = range(prefix) },
            timeout: cleanUpTimeout
        ).header.revision
    }

    private static func compact(_ revision: Int64, _ context: Context) async throws(CommandExit) {
        Terminal.out("Compacting with revision \(revision)\n")
        _ = try await Context.or { () async throws(ClientError) in
            try await context.client.call(
                .compact,
                .with {
                    $0.revision = revision
                    $0.physical = true
                },
                timeout: cleanUpTimeout
            )
        }
        Terminal.out("Compacted with revision \(revision)\n")
    }

    private static func defragment(_ context: Context) async throws(CommandExit) {
        for endpoint in context.client.endpoints {
            Terminal.out("Defragmenting \(endpoint.quoted)\n")
            _ = try await Context.or { () async throws(ClientError) in
                try await context.client.call(.defragment, .init(), at: endpoint, timeout: cleanUpTimeout)
            }
            Terminal.out("Defragmented \(endpoint.quoted)\n")
        }
    }

    private static func report(_ failures: [String: Int]) {
        Terminal.out("FAIL: too many errors\n")
        for (message, count) in failures.sorted(by: { $0.key < $1.key }) {
            Terminal.out("FAIL: ERROR(\(message)) -> \(count)\n")
        }
    }

    // MARK: perf

    /// Writes a second, and clients that write at once.
    private static let performanceLoads: [Size: (rate: Int, hands: Int)] = [
        .small: (150, 50), .medium: (1000, 200), .large: (8000, 500), .xLarge: (15000, 1000),
    ]

    /// A check is passed with nine tenths of the asked rate, no write slower than half a second, and times that don't scatter more.
    private static let throughputShareMin = 0.9, slowestMax = 0.5, deviationMax = 0.1

    static let performance = Command(
        "perf",
        "[options]",
        "Writes for a minute at a fixed rate, and judges throughput and delays",
        example: "  etcdctl check perf --load s --auto-compact --auto-defrag",
        flags: flags("/etcdctl-check-perf/") + [
            Flag("duration", nil, .duration, "60s", "how long to write", hidden: true)
        ]
    ) { call in
        guard let load = performanceLoads[try size(call)] else { return }
        let time = call.duration("duration")
        let context = try await connect(call)
        let prefix = call.string("prefix")
        try await refuseUsed(prefix, context, quote: "'")
        let signals = Signals([SIGINT])
        let generator = LoadGenerator(
            client: context.client,
            prefix: prefix,
            keySize: 256,
            valueSize: 1024,
            hands: load.hands
        )
        let start = ContinuousClock.now
        await Progress.showing({ "\(generator.done) writes, \(Progress.seconds(since: start)) of \(goText(time))" }) {
            _ = await signals.race { await generator.run(perSecond: load.rate, until: start + time, total: nil) }
        }
        let result = generator.result(over: .now - start)
        do {
            let revision = try await delete(prefix, context)
            if call.bool("auto-compact") { try await compact(revision, context) }
        } catch let error as ClientError {
            Terminal.out("FAIL: Cleanup failed during key deletion: ERROR(\(error.message))\n")
        }
        if call.bool("auto-defrag") { try await defragment(context) }
        var isPassed = true
        if !result.failures.isEmpty {
            report(result.failures)
            isPassed = false
        }
        func judge(_ good: Bool, _ praise: String, _ blame: String) {
            Terminal.out((good ? "PASS: \(praise)" : blame) + "\n")
            isPassed = isPassed && good
        }
        let rate = Int(result.perSecond) + 1
        judge(
            result.perSecond / Double(load.rate) > throughputShareMin,
            "Throughput is \(rate) writes/s",
            "FAIL: Throughput too low: \(rate) writes/s"
        )
        judge(
            result.slowest <= slowestMax,
            "Slowest request took \(GoNumber.fixed(result.slowest, places: 6))s",
            "Slowest request took too long: \(GoNumber.fixed(result.slowest, places: 6))s"
        )
        judge(
            result.deviation <= deviationMax,
            "Stddev is \(GoNumber.fixed(result.deviation, places: 6))s",
            "Stddev too high: \(GoNumber.fixed(result.deviation, places: 6))s"
        )
        Terminal.out(isPassed ? "PASS\n" : "FAIL\n")
        if !isPassed { throw CommandExit(ExitCode.error) }
    }

    // MARK: datascale

    private static let dataLoads: [Size: (count: Int, hands: Int)] = [
        .small: (10_000, 50), .medium: (100_000, 200), .large: (1_000_000, 500), .xLarge: (3_000_000, 1000),
    ]

    private static func memory(_ context: Context, _ endpoint: String, _ when: String) async throws(CommandExit)
        -> Double
    {
        do {
            let found = try await MetricsPage.value(
                of: "process_resident_memory_bytes",
                at: endpoint,
                security: context.client.configuration.security
            )
            if let found, found > 0 { return found }
            Terminal.out("could not find: process_resident_memory_bytes\n")
        } catch {
            Terminal.out("\(error.message ?? "")\n")
        }
        Terminal.out("FAIL: Could not read process_resident_memory_bytes \(when) the put operations.\n")
        throw CommandExit(ExitCode.error)
    }

    static let dataScale = Command(
        "datascale",
        "[options]",
        "Writes many keys and tells how much memory the member takes for them",
        long: "Of several endpoints the first one's memory is looked at.",
        example: "  etcdctl check datascale --load s --auto-compact",
        flags: flags("/etcdctl-check-datascale/") + [Flag("keys", nil, .int, "0", "how many keys instead of the load's", hidden: true)]
    ) { call in
        guard let usual = dataLoads[try size(call)] else { return }
        let load = (count: call.int("keys") > 0 ? Int(call.int("keys")) : usual.count, hands: usual.hands)
        let context = try await connect(call)
        guard let endpoint = context.client.endpoints.first else { return }
        let prefix = call.string("prefix")
        try await refuseUsed(prefix, context, quote: "")
        let before = try await memory(context, endpoint, "before")
        Terminal.out(
            "Start data scale check for work load [\(load.count) key-value pairs, 1024 bytes per key-value, \(load.hands) concurrent clients].\n"
        )
        let generator = LoadGenerator(
            client: context.client,
            prefix: prefix,
            keySize: 512,
            valueSize: 512,
            hands: load.hands
        )
        let start = ContinuousClock.now
        await Progress.showing({ "\(generator.done) of \(load.count) keys, \(Progress.seconds(since: start))" }) {
            await generator.run(perSecond: nil, until: nil, total: load.count)
        }
        let result = generator.result(over: .now - start)
        let after = try await memory(context, endpoint, "after")
        let revision = try await Context.or { () async throws(ClientError) in try await delete(prefix, context) }
        if call.bool("auto-compact") { try await compact(revision, context) }
        if call.bool("auto-defrag") { try await defragment(context) }
        if !result.failures.isEmpty {
            report(result.failures)
            throw CommandExit(ExitCode.error)
        }
        Terminal.out(
            "PASS: Approximate system memory used : \(GoNumber.fixed((after - before) / (1024 * 1024), places: 2)) MB.\n"
        )
    }
}
