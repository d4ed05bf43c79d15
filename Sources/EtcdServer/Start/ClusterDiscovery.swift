// The members of a new cluster find each other in a running etcd (`--discovery-endpoints`): each writes itself down there,
// and waits until as many have done so as the cluster is to have. Keys and values are those of etcd's v3 discovery.
//
// The discovery service is asked over its JSON gateway. Blocks; not on the loop.

import Base
import FoundationEssentials
import NIOCore
import NIOHTTP1
import PeerTransport
import ServerConfiguration
import ServerLog
import Threads

struct ClusterDiscovery {
    private let client: NIOLoopBound<PeerHTTPClient>
    private let loop: any EventLoop
    private let settings: DiscoveryConfiguration
    private let logger: ServerLogger
    private static let prefix = "/_etcd/registry"
    /// Between two looks at who has come.
    private static let lookInterval = Duration.milliseconds(500)
    /// Seconds between attempts double, up to this power of two.
    private static let doublingsMax = 8

    init(
        _ client: NIOLoopBound<PeerHTTPClient>, _ loop: any EventLoop, _ settings: DiscoveryConfiguration, _ logger: ServerLogger
    ) {
        self.client = client
        self.loop = loop
        self.settings = settings
        self.logger = logger
    }

    private struct Registration {
        var key: String
        var members: String
        var createRevision: Int64
    }

    private struct Unavailable: Error {
        var reason: String
    }

    /// Registers this member and waits for the others.
    /// - Parameter member: `name=url[,name=url…]`.
    /// - Returns: all members, as `--initial-cluster` has them.
    func join(_ id: MemberID, _ member: String) throws(ServerStartError) -> String {
        let key = "\(Self.prefix)/\(settings.token)/members/\(hexadecimal(id))"
        _ = try check(key)
        try retrying("register member itself") { () throws(Unavailable) in
            _ = try call("/v3/kv/put", .object(["key": encoded(key), "value": encoded(member)]))
        }
        logger.info(
            "register member itself successfully", fields + [.string("memberKey", key), .string("memberInfo", member)])
        while true {
            let (registered, size) = try check(key)
            if registered.count >= size {
                logger.info(
                    "found all needed peers from discovery service",
                    fields + [.int("clusterSize", size), .int("found-peers", registered.count)])
                let cluster = registered.prefix(size).map(\.members).joined(separator: ",")
                logger.info("discovery joined cluster successfully", fields + [.string("cluster", cluster)])
                return cluster
            }
            sleepThread(Self.lookInterval)
        }
    }

    private var fields: [LogField] {
        [
            .string("discovery-token", settings.token),
            .string("discovery-endpoints", settings.endpoints.joined(separator: ",")),
        ]
    }

    /// Who has registered, in order, and how many there shall be. Who is not among the first so many is too late.
    private func check(_ own: String) throws(ServerStartError) -> ([Registration], Int) {
        var (size, registered): (Int?, [Registration]) = (nil, [])
        var isMissing = false
        try retrying("cluster status check") { () throws(Unavailable) in
            let found = try range("\(Self.prefix)/\(settings.token)/_config/size", isPrefix: false)
            isMissing = found.isEmpty
            size = found.first.flatMap { Int($0.members) }
            registered = try range("\(Self.prefix)/\(settings.token)/members", isPrefix: true)
                .sorted { $0.createRevision < $1.createRevision }
        }
        if isMissing { throw failure("discovery: size key not found") }
        guard let size, size > 0 else { throw failure("discovery: size key is bad") }
        let place = registered.firstIndex { $0.key == own } ?? registered.count
        if place >= size { throw failure("discovery: cluster is full") }
        return (registered, size)
    }

    private func failure(_ reason: String) -> ServerStartError {
        logger.error("discovery failed to join cluster", fields + [.string("cluster", ""), .error(reason)])
        return ServerStartError(description: reason)
    }

    private func retrying(_ step: String, _ body: () throws(Unavailable) -> Void) throws(ServerStartError) {
        var attempt = 0
        while true {
            do throws(Unavailable) {
                return try body()
            } catch {
                attempt += 1
                let seconds = 1 << min(attempt, Self.doublingsMax)
                logger.warn(
                    "retry connecting to discovery service",
                    fields + [.string("reason", step), .duration("backoff", .seconds(Int64(seconds))), .error(error.reason)])
                sleepThread(.seconds(seconds))
            }
        }
    }

    // MARK: Requests

    private func range(_ key: String, isPrefix: Bool) throws(Unavailable) -> [Registration] {
        var request: [JSONValue.Member] = [.init(key: "key", value: encoded(key))]
        if isPrefix { request.append(.init(key: "range_end", value: encoded(key + "0"))) }
        let answer = try call("/v3/kv/range", .object(request))
        return (answer["kvs"]?.array ?? []).compactMap { pair in
            guard let key = decoded(pair["key"]) else { return nil }
            return Registration(
                key: key, members: decoded(pair["value"]) ?? "",
                createRevision: pair["create_revision"]?.string.flatMap { Int64($0) } ?? 0)
        }
    }

    private func call(_ path: String, _ request: JSONValue) throws(Unavailable) -> JSONValue {
        var reason = "no endpoint can be used"
        for endpoint in settings.endpoints {
            let text = endpoint.contains("://") ? endpoint : (settings.insecureTransport ? "http://" : "https://") + endpoint
            guard let url = PeerURL(text) else { continue }
            do {
                let headers = try authorization(url)
                let response = try send(url, path, request, headers)
                guard response.status == 200, let json = try? JSONValue(parsing: response.body) else {
                    reason = response.body.description
                    continue
                }
                return json
            } catch {
                reason = (error as? Unavailable)?.reason ?? "\(error)"
            }
        }
        throw Unavailable(reason: reason)
    }

    private func authorization(_ url: PeerURL) throws -> HTTPHeaders {
        if settings.user.isEmpty { return [:] }
        let parts = settings.user.split(separator: ":", maxSplits: 1)
        let password = settings.password.isEmpty && parts.count == 2 ? String(parts[1]) : settings.password
        let response = try send(
            url, "/v3/auth/authenticate",
            .object(["name": .string(parts.first.map(String.init) ?? ""), "password": .string(password)]), [:])
        guard let token = (try? JSONValue(parsing: response.body))?["token"]?.string else {
            throw Unavailable(reason: response.body.description)
        }
        return ["Authorization": token]
    }

    private func send(_ url: PeerURL, _ path: String, _ request: JSONValue, _ headers: HTTPHeaders) throws -> PeerResponse {
        let (client, body, timeout) = (client, Bytes(request.encoded), TimeAmount(settings.requestTimeout))
        return try loop.flatSubmit {
            client.value.request("POST", url, path: path, headers: headers, body: body, timeout: timeout)
        }.wait()
    }

    private func encoded(_ text: String) -> JSONValue { .string(Data(text.utf8).base64EncodedString()) }

    private func decoded(_ json: JSONValue?) -> String? {
        json?.string.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
    }
}
