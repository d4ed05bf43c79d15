// check perf and check datascale: a bounded load, and whether the cluster bore it.

import CommandLineKit
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf
import Synchronization

enum CheckCommand {
    static let command: Command = {
        var command = Command("check", "<subcommand>", "commands for checking properties of the etcd cluster", group: "utility")
        command.commands = [dataScale, performance]
        return command
    }()

    private static func flags(_ prefix: String) -> [Flag] {
        [
            Flag("load", nil, .string, "s", "The check's workload model. Accepted workloads: s(small), m(medium), l(large), xl(xLarge)"),
            Flag("prefix", nil, .string, prefix, "The prefix for writing the check's keys."),
            Flag("auto-compact", nil, .bool, "", "Compact storage with last revision after test is finished."),
            Flag("auto-defrag", nil, .bool, "", "Defragment storage after test is finished."),
        ]
    }

    private static func model(_ call: Invocation) throws(CommandExit) -> String {
        switch call.string("load").lowercased() {
        case "s", "small": return "s"
        case "m", "medium": return "m"
        case "l", "large": return "l"
        case "xl", "xlarge": return "xl"
        default: throw CommandExit(ExitCode.badFeature, "unknown load option \(call.string("load"))")
        }
    }

    /// Writes with many hands at a bounded rate.
    /// - Returns: each write's seconds, and the failures.
    private static func load(
        _ context: Context, prefix: String, hands: Int, perSecond: Int?, until: ContinuousClock.Instant?, total: Int?, valueSize: Int
    ) async -> (times: [Double], failures: Int) {
        let tally = Tally()
        let start = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<hands {
                group.addTask {
                    while true {
                        let index = tally.next()
                        if let total, index >= total { return }
                        if let perSecond { try? await Task.sleep(until: start + .seconds(Double(index) / Double(perSecond))) }
                        if let until, .now >= until { return }
                        let begin = ContinuousClock.now
                        let value = Data((0..<valueSize).map { UInt8(truncatingIfNeeded: index &+ $0) })
                        let key = Data((prefix + String(index)).utf8)
                        let done = (try? await context.client.call(.put, .with { $0.key = key; $0.value = value })) != nil
                        let took = (.now - begin) / .seconds(1)
                        tally.add(took, done)
                    }
                }
            }
        }
        return tally.result
    }

    private static func cleanUp(_ call: Invocation, _ context: Context, prefix: String) async throws -> Int64 {
        do {
            let answer = try await context.client.call(
                .deleteRange, .with { $0.key = Data(prefix.utf8); $0.rangeEnd = Data(prefixEnd(Array(prefix.utf8))) }, timeout: .seconds(60))
            if call.bool("auto-compact") {
                Terminal.out("Compacting with revision \(answer.header.revision)\n")
                _ = try await context.client.call(.compact, .with { $0.revision = answer.header.revision; $0.physical = true }, timeout: .seconds(30))
                Terminal.out("Compacted with revision \(answer.header.revision)\n")
            }
            if call.bool("auto-defrag") {
                for endpoint in context.client.endpoints {
                    Terminal.out("Defragmenting \(endpoint.quoted)\n")
                    _ = try await context.client.call(.defragment, .init(), at: endpoint, timeout: .seconds(30))
                    Terminal.out("Defragmented \(endpoint.quoted)\n")
                }
            }
            return answer.deleted
        } catch { throw failed(error) }
    }

    private static func refuseUsed(_ prefix: String, _ context: Context) async throws {
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(
                .range, .with { $0.key = Data(prefix.utf8); $0.rangeEnd = Data(prefixEnd(Array(prefix.utf8))); $0.limit = 1 })
        }
        if !answer.kvs.isEmpty {
            throw CommandExit(ExitCode.interrupted, "prefix \(prefix.quoted) has keys. Delete with etcdctl del --prefix \(prefix) first")
        }
    }

    static let performance = Command("perf", "[options]", "Check the performance of the etcd cluster", flags: flags("/etcdctl-check-perf/")) { call in
        let loads: [String: (rate: Int, hands: Int)] = ["s": (150, 50), "m": (1000, 200), "l": (8000, 500), "xl": (15000, 1000)]
        guard let load = loads[try model(call)] else { return }
        let seconds = 60.0
        let context = try await connect(call)
        let prefix = call.string("prefix")
        try await refuseUsed(prefix, context)
        let result = await CheckCommand.load(
            context, prefix: prefix, hands: load.hands, perSecond: load.rate, until: .now + .seconds(seconds), total: nil, valueSize: 1024)
        _ = try await cleanUp(call, context, prefix: prefix)
        let throughput = Double(result.times.count) / seconds
        let slowest = result.times.max() ?? 0
        let mean = result.times.reduce(0, +) / Double(max(1, result.times.count))
        let deviation = (result.times.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, result.times.count))).squareRoot()
        func line(_ good: Bool, _ text: String) { Terminal.out("\(good ? "PASS" : "FAIL"): \(text)\n") }
        if result.failures > 0 { line(false, "\(result.failures) writes failed") }
        let enough = throughput > Double(load.rate) * 0.9
        line(enough, enough ? "Throughput is \(Int(throughput)) writes/s" : "Throughput too low: \(Int(throughput) + 1) writes/s")
        line(slowest <= 0.5, slowest <= 0.5 ? String(format: "Slowest request took %fs", slowest) : String(format: "Slowest request took too long: %fs", slowest))
        line(deviation <= 0.1, deviation <= 0.1 ? String(format: "Stddev is %fs", deviation) : String(format: "Stddev too high: %fs", deviation))
        let passed = result.failures == 0 && enough && slowest <= 0.5 && deviation <= 0.1
        Terminal.out(passed ? "PASS\n" : "FAIL\n")
        if !passed { throw CommandExit(ExitCode.error) }
    }

    static let dataScale = Command(
        "datascale", "[options]", "Check the memory usage of holding data for different workloads on a given server endpoint.",
        flags: flags("/etcdctl-check-datascale/")
    ) { call in
        let loads: [String: (count: Int, hands: Int)] = ["s": (10_000, 50), "m": (100_000, 200), "l": (1_000_000, 500), "xl": (3_000_000, 1000)]
        guard let load = loads[try model(call)] else { return }
        let context = try await connect(call)
        let targets = context.client.endpoints
        guard targets.count == 1 else { throw CommandExit(ExitCode.interrupted, "only one endpoint is allowed") }
        let prefix = call.string("prefix")
        try await refuseUsed(prefix, context)
        Terminal.out("Start data scale check for work load [\(load.count) key-value pairs, 1024 bytes per key-value, \(load.hands) concurrent clients].\n")
        let before = memory(of: targets[0])
        let result = await CheckCommand.load(
            context, prefix: prefix, hands: load.hands, perSecond: nil, until: nil, total: load.count, valueSize: 1024)
        let after = memory(of: targets[0])
        _ = try await cleanUp(call, context, prefix: prefix)
        if result.failures > 0 || before == nil || after == nil {
            Terminal.out("FAIL: ERROR(\(result.failures) writes failed)\n")
            throw CommandExit(ExitCode.error)
        }
        let used = max(0, (after ?? 0) - (before ?? 0)) / 1024 / 1024
        Terminal.out(String(format: "PASS: Approximate system memory used : %.2f MB.\n", used))
    }

    /// The member's resident memory, from its page of metrics.
    private static func memory(of endpoint: String) -> Double? {
        let address = endpoint.contains("://") ? endpoint : "http://" + endpoint
        guard let text = try? HTTPGet.text(address + "/metrics") else { return nil }
        let name = "process_resident_memory_bytes "
        return text.split(separator: "\n").first { $0.hasPrefix(name) }.flatMap { Double($0.dropFirst(name.count)) }
    }
}

/// What a load has come to.
private final class Tally: Sendable {
    private let state = Mutex((next: 0, times: [Double](), failures: 0))

    func next() -> Int {
        state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
    }

    func add(_ took: Double, _ done: Bool) {
        state.withLock { state in
            if done { state.times.append(took) } else { state.failures += 1 }
        }
    }

    var result: (times: [Double], failures: Int) { state.withLock { ($0.times, $0.failures) } }
}

/// One plain request over HTTP/1, which needs no library.
enum HTTPGet {
    static func text(_ url: String) throws -> String {
        guard let parts = URL(string: url), let host = parts.host, parts.scheme == "http" else { throw CommandExit(ExitCode.error, "fetch error: \(url)") }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(parts.port ?? 80)", &hints, &found) == 0, let first = found else { throw CommandExit(ExitCode.error, "fetch error: \(url)") }
        defer { freeaddrinfo(found) }
        let descriptor = socket(first.pointee.ai_family, first.pointee.ai_socktype, 0)
        defer { close(descriptor) }
        guard descriptor >= 0, connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
            throw CommandExit(ExitCode.error, "fetch error: \(url)")
        }
        let request = Array("GET \(parts.path) HTTP/1.0\r\nHost: \(host)\r\n\r\n".utf8)
        _ = request.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            all += chunk[..<count]
        }
        return String(decoding: all, as: UTF8.self)
    }
}
