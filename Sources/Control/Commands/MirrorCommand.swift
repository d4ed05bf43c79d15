// make-mirror: copies a prefix to another cluster and follows its changes.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf
import Synchronization

enum MirrorCommand {
    /// How often the count is printed.
    private static let reportInterval = Duration.seconds(30)

    static let command = Command(
        "make-mirror",
        "[options] <destination>",
        "Copies keys to another cluster and keeps following them",
        long: """
            Copies the keys under a prefix to the cluster at <destination>, then applies every change there, revision by revision,
            until a signal comes. Every thirty seconds it prints how many keys it has written. Leases and the history before the copy
            are not carried over, and keys that only the destination has stay. With --rev the prefix is left out at the
            destination unless --dest-prefix says it, too.
            """,
        example: """
              etcdctl make-mirror --prefix /config/ 10.0.0.20:2379
              etcdctl make-mirror --prefix /config/ --dest-prefix /copy/ 10.0.0.20:2379
            """,
        flags: [
            Flag("prefix", nil, .string, "", "only keys that begin with this"),
            Flag("rev", nil, .int, "0", "follow from this revision on, without copying what is there (0: copy first)"),
            Flag("max-txn-ops", nil, .uint, "128", "at most so many changes in one transaction at the destination"),
            Flag("dest-prefix", nil, .string, "", "what stands for the prefix at the destination (without --rev the prefix itself)"),
            Flag("no-dest-prefix", nil, .bool, "", "leave the prefix out at the destination"),
            Flag("dest-cert", nil, .string, "", "the client's TLS certificate file for the destination"),
            Flag("dest-key", nil, .string, "", "the client's TLS key file for the destination"),
            Flag("dest-cacert", nil, .string, "", "verify the destination's certificates with this CA bundle"),
            Flag(
                "dest-insecure-transport",
                nil,
                .bool,
                "true",
                "connect to the destination without TLS, unless a certificate or CA is given"
            ),
            Flag("dest-user", nil, .string, "", "name[:password] at the destination (asks if there is no password)"),
            Flag("dest-password", nil, .string, "", "password at the destination (then --dest-user holds none)"),
        ],
        group: "utility"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("make-mirror takes one destination argument") }
        if call.bool("no-dest-prefix"), !call.string("dest-prefix").isEmpty {
            throw badArguments("`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one")
        }
        var settings = ClientConfiguration(endpoints: [call.arguments[0]])
        Settings.limits(&settings, call)
        settings.requestTimeout = nil
        settings.security = try Settings.security(
            certificate: call.string("dest-cert"),
            key: call.string("dest-key"),
            authority: call.string("dest-cacert"),
            isInsecure: call.bool("dest-insecure-transport"),
            skipsVerification: false
        )
        if !call.string("dest-user").isEmpty {
            settings.credentials = Settings.credentials(
                user: call.string("dest-user"),
                password: call.string("dest-password"),
                prompt: "Destination Password: "
            )
        }
        let destination: Client
        do throws(ClientError) {
            destination = try Client(settings)
            try await destination.authenticate()
        } catch {
            throw failed(error, ExitCode.badConnection)
        }
        let context = try await connect(call)
        let prefix = Data(word: call.string("prefix")), other = Data(word: call.string("dest-prefix"))
        let revision = call.int("rev")
        // As etcd's: it lets the prefix stand for itself only where it copies first.
        let keepsPrefix = other.isEmpty && !call.bool("no-dest-prefix") && !Mirror.skipsCopy(revision)
        let operationsMax = call.unsigned("max-txn-ops")
        let copied = Counter()
        let mirror = Mirror(
            source: context.client,
            destination: destination,
            prefix: prefix,
            replacement: keepsPrefix ? prefix : other,
            // Nobody ends a transaction at 0.
            operationsMax: operationsMax == 0 ? .max : Int(clamping: operationsMax),
            count: { copied.add($0) }
        )
        do {
            try await Progress.showing({ "\(copied.value) keys written to \(call.arguments[0])" }) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        while true {
                            try await Task.sleep(for: reportInterval)
                            Terminal.out("\(copied.value)\n")
                        }
                    }
                    group.addTask { try await mirror.run(from: revision) }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
        } catch { throw failed(error) }
        throw CommandExit(ExitCode.error, "<nil>")
    }
}

/// A sum that several tasks add to.
private final class Counter: Sendable {
    private let sum = Mutex(0)
    var value: Int { sum.withLock { $0 } }
    func add(_ count: Int) { sum.withLock { $0 += count } }
}

/// A copy under way.
private struct Mirror: Sendable {
    let source: Client
    let destination: Client
    let prefix: Data
    /// What stands for the prefix at the destination.
    let replacement: Data
    /// Changes in one transaction; members refuse more than their own limit.
    let operationsMax: Int
    let count: @Sendable (Int) -> Void

    /// Keys fetched at once while the base is copied.
    private static let pageSize: Int64 = 1000

    /// Whether what is there before that revision is left alone.
    static func skipsCopy(_ revision: Int64) -> Bool { revision > 1 }

    private func target(_ key: Data) -> Data { replacement + key.dropFirst(prefix.count) }

    /// Copies what there is and follows, or only follows from a revision on. Ends with an error.
    func run(from start: Int64) async throws {
        var first = prefix, last = Data()
        KeyRequests.setPrefix(&first, &last)
        let begin = Self.skipsCopy(start) ? start : try await copy(first, last) + 1
        try await source.watch(
            .with { [first, last] in
                $0.key = first
                $0.rangeEnd = last
                $0.startRevision = begin
            }
        ) { answer in
            var batch: [Etcdserverpb_RequestOp] = []
            var revision: Int64 = 0
            for event in answer.events {
                // Revisions stay whole where they fit, and a key comes once in a transaction.
                if revision != event.kv.modRevision || batch.count >= operationsMax {
                    try await apply(batch)
                    batch = []
                    revision = event.kv.modRevision
                }
                batch.append(
                    .with { operation in
                        if event.type == .delete {
                            operation.requestDeleteRange = .with { $0.key = target(event.kv.key) }
                        } else {
                            operation.requestPut = .with {
                                $0.key = target(event.kv.key)
                                $0.value = event.kv.value
                            }
                        }
                    }
                )
            }
            try await apply(batch)
        }
    }

    private func apply(_ operations: [Etcdserverpb_RequestOp]) async throws {
        guard !operations.isEmpty else { return }
        _ = try await destination.call(.txn, .with { $0.success = operations })
        count(operations.count)
    }

    /// - Returns: the revision that was copied.
    private func copy(_ first: Data, _ last: Data) async throws -> Int64 {
        var revision: Int64 = 0
        var next = first
        while true {
            let page = try await source.call(
                .range,
                .with { [next, revision] in
                    $0.key = next
                    $0.rangeEnd = last
                    $0.limit = Self.pageSize
                    $0.revision = revision
                }
            )
            if revision == 0 { revision = page.header.revision }
            for pair in page.kvs {
                _ = try await destination.call(
                    .put,
                    .with {
                        $0.key = target(pair.key)
                        $0.value = pair.value
                    }
                )
                count(1)
            }
            guard page.more, let final = page.kvs.last else { return revision }
            next = final.key + [0]
        }
    }
}
