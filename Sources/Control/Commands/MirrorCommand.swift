// make-mirror: copies a prefix to another cluster and follows its changes.

import CommandLineKit
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf
import Synchronization

enum MirrorCommand {
    /// Keys fetched at once while the base is copied, and how often the count is printed.
    private static let pageSize: Int64 = 1000
    private static let reportInterval = Duration.seconds(30)

    static let command = Command(
        "make-mirror", "[options] <destination>", "Makes a mirror at the destination etcd cluster",
        flags: [
            Flag("prefix", nil, .string, "", "Key-value prefix to mirror"),
            Flag("rev", nil, .int, "0", "Specify the kv revision to start to mirror"),
            Flag("max-txn-ops", nil, .uint, "128", "Maximum number of operations permitted in a transaction during syncing updates."),
            Flag("dest-prefix", nil, .string, "", "destination prefix to mirror a prefix to a different prefix in the destination cluster"),
            Flag("no-dest-prefix", nil, .bool, "", "mirror key-values to the root of the destination cluster"),
            Flag("dest-cert", nil, .string, "", "Identify secure client using this TLS certificate file for the destination cluster"),
            Flag("dest-key", nil, .string, "", "Identify secure client using this TLS key file"),
            Flag("dest-cacert", nil, .string, "", "Verify certificates of TLS enabled secure servers using this CA bundle"),
            Flag("dest-insecure-transport", nil, .bool, "true", "Disable transport security for client connections"),
            Flag("dest-user", nil, .string, "", "Destination username[:password] for authentication (prompt if password is not supplied)"),
            Flag("dest-password", nil, .string, "", "Destination password for authentication (if this option is used, --dest-user option shouldn't include password)"),
        ], group: "utility"
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("make-mirror takes one destination argument") }
        if call.bool("no-dest-prefix"), !call.string("dest-prefix").isEmpty {
            throw badArguments("`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one")
        }
        let context = try await connect(call)
        var settings = ClientConfiguration(endpoints: [call.arguments[0]])
        settings.requestTimeout = .seconds(30)
        let certificate = call.string("dest-cert"), key = call.string("dest-key"), authority = call.string("dest-cacert")
        if !certificate.isEmpty || !authority.isEmpty || !call.bool("dest-insecure-transport") {
            settings.security = TransportSecurity(
                trustedAuthorityFile: authority.isEmpty ? nil : authority, certificateFile: certificate.isEmpty ? nil : certificate,
                keyFile: key.isEmpty ? nil : key)
        }
        let user = call.string("dest-user")
        if !user.isEmpty {
            let parts = user.split(separator: ":", maxSplits: 1).map(String.init)
            let password = !call.string("dest-password").isEmpty ? call.string("dest-password") : parts.count > 1 ? parts[1] : Terminal.readSecret("Destination Password: ") ?? ""
            settings.credentials = .password(user: parts[0], password: password)
        }
        let prefix = Data(call.string("prefix").utf8)
        let replacement = call.bool("no-dest-prefix") ? Data() : call.string("dest-prefix").isEmpty ? prefix : Data(call.string("dest-prefix").utf8)
        let copied = Counter()
        do {
            let destination = try Client(settings)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    while true {
                        try await Task.sleep(for: reportInterval)
                        Terminal.out("\(copied.value)\n")
                    }
                }
                group.addTask {
                    let mirror = Mirroring(
                        source: context.client, destination: destination, prefix: prefix, replacement: replacement,
                        operationsMax: Int(call.int("max-txn-ops"))) { copied.add($0) }
                    try await mirror.run(from: call.int("rev"), pageSize: pageSize)
                }
                try await group.next()
                group.cancelAll()
            }
        } catch let error as ClientError { throw failed(error) }
    }
}

/// A sum that several tasks add to.
private final class Counter: Sendable {
    private let sum = Mutex(0)
    var value: Int { sum.withLock { $0 } }
    func add(_ count: Int) { sum.withLock { $0 += count } }
}

/// A copy under way.
private struct Mirroring: Sendable {
    let source: Client
    let destination: Client
    let prefix: Data
    let replacement: Data
    let operationsMax: Int
    let count: @Sendable (Int) -> Void

    init(
        source: Client, destination: Client, prefix: Data, replacement: Data, operationsMax: Int, count: @escaping @Sendable (Int) -> Void
    ) {
        self.source = source
        self.destination = destination
        self.prefix = prefix
        self.replacement = replacement
        self.operationsMax = operationsMax
        self.count = count
    }

    private func target(_ key: Data) -> Data { replacement + key.dropFirst(prefix.count) }

    func run(from start: Int64, pageSize: Int64) async throws {
        var key = prefix, end = Data()
        KeyRequests.setPrefix(&key, &end)
        let first = key, last = end
        var revision = start
        if start == 0 {
            var next = first
            while true {
                let from = next, at = revision
                let page = try await source.call(
                    .range, .with { $0.key = from; $0.rangeEnd = last; $0.limit = pageSize; $0.revision = at })
                if revision == 0 { revision = page.header.revision }
                for pair in page.kvs {
                    _ = try await destination.call(.put, .with { $0.key = target(pair.key); $0.value = pair.value })
                    count(1)
                }
                guard page.more, let final = page.kvs.last else { break }
                next = final.key + [0]
            }
            revision += 1
        }
        let begin = revision
        try await source.watch(.with { $0.key = first; $0.rangeEnd = last; $0.startRevision = begin }) { answer in
            var batch: [Etcdserverpb_RequestOp] = []
            var keys: Set<Data> = []
            var batchRevision: Int64 = 0
            @Sendable func apply(_ operations: [Etcdserverpb_RequestOp]) async throws {
                guard !operations.isEmpty else { return }
                _ = try await destination.call(.txn, .with { $0.success = operations })
                count(operations.count)
            }
            for event in answer.events {
                // Revisions stay whole where they fit; a key comes once in a transaction.
                if batchRevision != event.kv.modRevision || batch.count >= operationsMax || keys.contains(event.kv.key) {
                    try await apply(batch)
                    batch = []
                    keys = []
                    batchRevision = event.kv.modRevision
                }
                keys.insert(event.kv.key)
                batch.append(
                    .with { operation in
                        if event.type == .delete {
                            operation.requestDeleteRange = .with { $0.key = target(event.kv.key) }
                        } else {
                            operation.requestPut = .with { $0.key = target(event.kv.key); $0.value = event.kv.value }
                        }
                    })
            }
            try await apply(batch)
        }
    }
}
