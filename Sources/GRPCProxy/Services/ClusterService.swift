// Who belongs to the cluster, in the eyes of the proxy's clients: the proxies, so that they find each other and not the
// members behind them. Proxies that share a prefix write themselves down under it, for as long as they live.

import Base
import EtcdClient
import EtcdWire
import FoundationEssentials
import ServerLog
import SwiftProtobuf
import Synchronization

final class ClusterService: Sendable {
    /// What an operator says about the proxy's place.
    struct Settings: Sendable {
        /// Empty: clients see the members themselves.
        var advertisedAddress = ""
        /// Where proxies write themselves down; empty for nowhere.
        var prefix = ""
        /// Of the lease that the proxy's entry hangs on, in seconds.
        var timeToLive: Int64 = 0
        var hostName = ""
    }

    private let upstream: Upstream
    private let namespace: KeyNamespace
    private let settings: Settings
    private let logger: ServerLogger
    /// The registered proxies: their entries by key.
    private let registered = Mutex<[Data: Etcdserverpb_Member]>([:])

    /// Between two attempts to register or to follow, as often as etcd's proxy tries.
    private static let retryPause = Duration.seconds(1)

    init(_ upstream: Upstream, _ namespace: KeyNamespace, _ settings: Settings, _ logger: ServerLogger) {
        self.upstream = upstream
        self.namespace = namespace
        self.settings = settings
        self.logger = logger
    }

    func memberList(_ request: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        if settings.advertisedAddress.isEmpty { return try await upstream.ask(.memberList, request, for: asker) }
        let members = registered.withLock { $0.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value) }
        var answer = Etcdserverpb_MemberListResponse()
        answer.members =
            members.isEmpty
            ? [
                .with {
                    $0.name = settings.hostName
                    $0.clientUrls = [settings.advertisedAddress]
                }
            ] : members
        return try Upstream.encode(answer)
    }

    // MARK: Registration

    /// Begins to register and to follow the others, if there is a prefix; both go on until the process ends.
    func start() {
        guard !settings.prefix.isEmpty, !settings.advertisedAddress.isEmpty else { return }
        Task { await keepRegistered() }
        Task { await followOthers() }
    }

    private func keepRegistered() async {
        while !Task.isCancelled {
            do {
                let session = try await Session.start(on: upstream.client, timeToLive: settings.timeToLive)
                let key = namespace.inside(Data("\(settings.prefix)/\(settings.advertisedAddress)".utf8))
                let value = try Entry(address: settings.advertisedAddress, name: settings.hostName).encoded()
                _ = try await upstream.client.call(
                    .put,
                    .with {
                        $0.key = key
                        $0.value = value
                        $0.lease = session.lease
                    }
                )
                logger.info(
                    "registered session with lease",
                    [.string("addr", settings.advertisedAddress), .int("lease-ttl", settings.timeToLive)]
                )
                await session.waitUntilExpired()
                logger.warn("session expired; possible network partition or server restart")
                logger.warn("creating a new session to rejoin")
            } catch {
                logger.warn("failed to create a session", [.error(error)])
            }
            try? await Task.sleep(for: Self.retryPause)
        }
    }

    private func followOthers() async {
        let prefix = Data("\(settings.prefix)/".utf8)
        let (key, end) = namespace.inside(key: prefix, end: Data(prefixEnd([UInt8](prefix))))
        while !Task.isCancelled {
            do {
                let known = try await upstream.client.call(
                    .range,
                    .with {
                        $0.key = key
                        $0.rangeEnd = end
                    }
                )
                registered.withLock { registered in
                    registered = [:]
                    for pair in known.kvs { registered[pair.key] = Entry(pair.value)?.member }
                }
                try await upstream.client.watch(
                    .with {
                        $0.key = key
                        $0.rangeEnd = end
                        $0.startRevision = known.header.revision + 1
                    }
                ) { [self] answer in
                    registered.withLock { registered in
                        for event in answer.events {
                            registered[event.kv.key] = event.type == .put ? Entry(event.kv.value)?.member : nil
                        }
                    }
                }
            } catch {
                logger.warn("failed to resolve prefix", [.string("prefix", settings.prefix), .error(error)])
            }
            try? await Task.sleep(for: Self.retryPause)
        }
    }

    /// A proxy's entry, as etcd's naming library writes it.
    private struct Entry {
        let address: String
        let name: String

        init(address: String, name: String) {
            self.address = address
            self.name = name
        }

        private struct Record: Codable {
            var Op: Int
            var Addr: String
            /// JSON in a string.
            var Metadata: String?
        }

        private struct Name: Codable {
            var name: String
        }

        /// Nil for what is no entry.
        init?(_ value: Data) {
            guard let record = try? JSONDecoder().decode(Record.self, from: value) else { return nil }
            address = record.Addr
            let about = record.Metadata.flatMap { try? JSONDecoder().decode(Name.self, from: Data($0.utf8)) }
            name = about?.name ?? ""
        }

        func encoded() throws -> Data {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes]
            let about = String(decoding: try encoder.encode(Name(name: name)), as: UTF8.self)
            // By hand, for the order of the fields.
            let quoted = { (text: String) in String(decoding: try encoder.encode(text), as: UTF8.self) }
            return Data("{\"Op\":0,\"Addr\":\(try quoted(address)),\"Metadata\":\(try quoted(about))}".utf8)
        }

        var member: Etcdserverpb_Member {
            .with {
                $0.name = name
                $0.clientUrls = [address]
            }
        }
    }
}
