// Plain HTTP on the client port, whichever version it came in: health, version, metrics, and the JSON gateway.

import Base
import EtcdAPI
import EtcdWire
import HTTP2
import Membership
import MVCC
import NIOCore
import Profiling
import Raft
import StateMachine

struct HTTPRequest {
    var method: String
    let uri: String
    let host: String
    var fields: [(name: String, value: String)]
    var body: Bytes
    /// Without the query.
    let path: String
    /// The server's end of the connection it came over.
    let local: SocketAddress?

    init(
        method: String, uri: String, host: String, fields: [(name: String, value: String)], body: Bytes,
        local: SocketAddress? = nil
    ) {
        self.method = method
        self.uri = uri
        self.host = host
        self.fields = fields
        self.body = body
        self.local = local
        let name = uri.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(uri[..<$0]) } ?? uri
        path = name.utf8.contains(UInt8(ascii: "%")) ? Self.unescaped(name) ?? name : name
    }

    /// A path whose characters may be written by their numbers; nil if it is wrong.
    private static func unescaped(_ path: String) -> String? {
        var bytes: [UInt8] = []
        var rest = path.utf8[...]
        while let next = rest.popFirst() {
            guard next == UInt8(ascii: "%") else {
                bytes.append(next)
                continue
            }
            guard let byte = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// - Parameter name: in lower case.
    subscript(name: String) -> String? { fields.first { isSameFieldName($0.name, name) }?.value }

    /// The values of a parameter in the query.
    func query(_ name: String) -> [String] {
        guard let mark = uri.firstIndex(of: "?") else { return [] }
        return uri[uri.index(after: mark)...].split(separator: "&").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts[0] == name else { return nil }
            return parts.count > 1 ? String(parts[1]) : ""
        }
    }
}

/// Whether a field's name is this one, in whatever case.
/// - Parameter wanted: in lower case.
private func isSameFieldName(_ name: String, _ wanted: String) -> Bool {
    guard name.utf8.count == wanted.utf8.count else { return false }
    return zip(name.utf8, wanted.utf8).allSatisfy { $0 == $1 || ($0 | 0x20 == $1 && $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z")) }
}

/// Where an answer goes.
protocol HTTPResponder: AnyObject {
    var isOpen: Bool { get }
    /// Fields of every answer.
    var commonFields: [(String, String)] { get set }
    func start(status: Int, _ fields: [(String, String)])
    func write(_ bytes: Bytes)
    func end()
    /// A whole answer, of known length.
    func respond(_ status: Int, _ fields: [(String, String)], _ body: Bytes)
    /// What was written and the client's connection has not taken yet.
    var queuedBytes: Int { get }
    /// Runs `body` once when the queue has drained; never if the client goes away before.
    func whenWritable(_ body: @escaping () -> Void)
    /// Runs `body` once if the client goes away before the end.
    func whenClosed(_ body: @escaping () -> Void)
    /// As of `ReplySink`.
    var isBacklogFull: Bool { get }
    func whenBacklogShrinks(_ body: @escaping () -> Void)
    func expectAnswer(_ bytes: Int) -> () -> Void
}

extension HTTPResponder {
    // HTTP/1 has one answer at a time.
    var isBacklogFull: Bool { false }
    func whenBacklogShrinks(_ body: @escaping () -> Void) { body() }
    func expectAnswer(_ bytes: Int) -> () -> Void { {} }

    func respond(_ status: Int, _ fields: [(String, String)], _ body: Bytes) { respondInParts(status, fields, body) }

    func respondInParts(_ status: Int, _ fields: [(String, String)], _ body: Bytes) {
        start(status: status, fields + [("Content-Length", String(body.count))])
        if !body.isEmpty { write(body) }
        end()
    }

    func text(_ status: Int, _ body: String, _ fields: [(String, String)] = []) {
        respond(
            status, [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")] + fields, Bytes(body))
    }
}

/// How a connection's requests come.
struct HTTPOrigin {
    var eventLoop: any EventLoop
    var traffic: PortTraffic
    var isSecure = false
    /// The common name of the client's verified certificate.
    var certificateName: String?
    /// The two ends of the connection.
    var remote: SocketAddress?
    var local: SocketAddress?
}

struct HTTPRouter {
    private let frontDoor: FrontDoor
    let origin: HTTPOrigin
    private var traffic: PortTraffic { origin.traffic }
    private var lane: FrontLane { frontDoor.lane }
    private var member: any MemberState { lane.memberState }

    init(_ frontDoor: FrontDoor, _ origin: HTTPOrigin) {
        self.frontDoor = frontDoor
        self.origin = origin
    }

    /// How large one request of the gateway may be: base64 and field names take about twice a message's own size.
    var valueBytesMax: Int { 2 * frontDoor.settings.http2.messageBytesMax }

    /// The gateway's stream that a request begins, before its body has come; nil if it begins none.
    func openStream(_ request: HTTPRequest, _ responder: any HTTPResponder) -> GatewayStream? {
        guard isGatewayRequest(request), refusal(of: request) == nil,
            let stream = GatewayCall.open(request, frontDoor, responder, valueBytesMax: valueBytesMax)
        else { return nil }
        responder.commonFields = commonFields(request)
        return stream
    }

    /// Whether the gateway answers, and not a page.
    func isGatewayRequest(_ request: HTTPRequest) -> Bool {
        traffic != .metrics && frontDoor.settings.servesGateway && Self.isGatewayPath(request.path)
    }

    private static func isGatewayPath(_ path: String) -> Bool {
        (path.hasPrefix("/v3/") || path.hasPrefix("/v3beta/")) && !path.contains("//")
    }

    /// Whether a WebSocket may take the request's place.
    func mayBecomeWebSocket(_ request: HTTPRequest) -> Bool { isGatewayRequest(request) && refusal(of: request) == nil }

    func handle(_ request: HTTPRequest, _ responder: any HTTPResponder) {
        if let refusal = refusal(of: request) {
            if refusal.status == 421 { frontDoor.hostRefused(Self.hostName(request.host)) }
            responder.commonFields = dateField
            return responder.text(refusal.status, refusal.text + "\n")
        }
        responder.commonFields = commonFields(request)
        if traffic != .metrics, request.method == "OPTIONS" { return responder.respond(200, [], Bytes()) }
        switch request.path {
        case "/version" where traffic != .metrics: version(request, responder)
        case "/health": HealthPage(frontDoor).answer(request, responder)
        case "/metrics":
            responder.respond(200, [("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")], Bytes(frontDoor.metrics()))
        case let path where HealthChecks(path: path) != nil:
            HealthChecks(path: path)?.answer(request, responder, frontDoor)
        case "/debug/vars" where traffic != .metrics: variables(responder)
        case let path where traffic != .metrics && frontDoor.settings.servesProfiles && ProfilePages.serve(path):
            profile(request, responder)
        case _ where isGatewayRequest(request):
            GatewayCall.start(request, frontDoor, responder, valueBytesMax: valueBytesMax)
        default:
            if let plain = plainPath(of: request.path) { return redirect(request, to: plain, responder) }
            responder.text(404, "404 page not found\n")
        }
    }

    /// Where a path leads without doubled slashes and dots; nil if it is as plain as can be. `/v3` is a folder's name.
    private func plainPath(of path: String) -> String? {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part != ".." { parts.append(part) } else { _ = parts.popLast() }
        }
        var plain = "/" + parts.joined(separator: "/")
        if path.hasSuffix("/") || path.hasSuffix("/.") || path.hasSuffix("/.."), plain != "/" { plain += "/" }
        if plain == "/v3" && traffic != .metrics && frontDoor.settings.servesGateway { plain += "/" }
        return plain == path ? nil : plain
    }

    private func redirect(_ request: HTTPRequest, to path: String, _ responder: any HTTPResponder) {
        let location = path + (request.uri.firstIndex(of: "?").map { String(request.uri[$0...]) } ?? "")
        guard request.method == "GET" || request.method == "HEAD" else {
            return responder.respond(307, [("Location", location)], Bytes())
        }
        let fields = [("Content-Type", "text/html; charset=utf-8"), ("Location", location)]
        responder.respond(307, fields, request.method == "GET" ? temporaryRedirectPage(to: location) : Bytes())
    }

    // MARK: Who may ask

    /// Why a request is not even looked at; nil if it is.
    private func refusal(of request: HTTPRequest) -> (status: Int, text: String)? {
        if traffic == .metrics { return nil }
        if origin.isSecure {
            // The gateway has no way to say who a certificate names: a client that believes it is known would be nobody.
            guard frontDoor.settings.trustsCertificates, let name = origin.certificateName, !name.isEmpty,
                frontDoor.settings.servesGateway, Self.isGatewayPath(request.path),
                member.isAuthEnabled
            else { return nil }
            return (400, "CommonName of client sending a request against gateway will be ignored and not used as expected")
        }
        let allowed = frontDoor.settings.hostNames
        if allowed.isEmpty || allowed.contains("*") { return nil }
        let name = Self.hostName(request.host)
        if allowed.contains(name) { return nil }
        return (
            421,
            """

            etcd received your request, but the Host header was unrecognized.

            To fix this, choose one of the following options:
            - Enable TLS, then any HTTPS request will be allowed.
            - Add the hostname you want to use to the whitelist in settings.
              - e.g. etcd --host-whitelist \(String(decoding: JSONValue.string(name).encoded, as: UTF8.self))

            This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).

            """
        )
    }

    /// Without the port, and without the brackets of an address of IPv6 that has one.
    private static func hostName(_ host: String) -> String {
        guard let colon = host.lastIndex(of: ":") else { return host }
        let name = host[..<colon]
        if name.hasPrefix("["), name.hasSuffix("]") { return String(name.dropFirst().dropLast()) }
        return name.contains(":") ? host : String(name)
    }

    private var dateField: [(String, String)] {
        let date = frontDoor.date()
        return date.isEmpty ? [] : [("Date", date)]
    }

    private func commonFields(_ request: HTTPRequest) -> [(String, String)] {
        if traffic == .metrics { return dateField }
        let allowed = frontDoor.settings.corsOrigins
        let origin: String
        if allowed.isEmpty || allowed.contains("*") {
            origin = "*"
        } else if let named = request["origin"], allowed.contains(named) {
            origin = named
        } else {
            return dateField
        }
        return [
            ("Access-Control-Allow-Headers", "accept, content-type, authorization"),
            ("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE"), ("Access-Control-Allow-Origin", origin),
        ] + dateField
    }

    private func isGet(_ request: HTTPRequest, _ responder: any HTTPResponder) -> Bool {
        if request.method == "GET" { return true }
        responder.text(405, "Method Not Allowed\n", [("Allow", "GET")])
        return false
    }

    // MARK: Version and health

    private func version(_ request: HTTPRequest, _ responder: any HTTPResponder) {
        guard isGet(request, responder) else { return }
        responder.respond(200, [("Content-Type", "application/json")], member.versionReport)
    }

    /// What Go's expvar page shows of a member, less the memory statistics of Go's runtime.
    private func variables(_ responder: any HTTPResponder) {
        let raft = member.raftStatus
        func hexadecimal(_ id: MemberID) -> JSONValue { .string(String(id, radix: 16)) }
        let status: [JSONValue.Member] = [
            .init(key: "id", value: hexadecimal(raft.id)), .init(key: "term", value: .unsigned(raft.term)),
            .init(key: "vote", value: hexadecimal(raft.vote)), .init(key: "commit", value: .unsigned(raft.commit)),
            .init(key: "lead", value: hexadecimal(raft.lead)), .init(key: "raftState", value: .string(raft.role.description)),
            .init(key: "applied", value: .unsigned(raft.applied)),
            .init(key: "leadtransferee", value: hexadecimal(raft.leadTransferee)),
        ]
        let json = JSONValue.object([
            .init(key: "cmdline", value: .array(frontDoor.settings.commandLine.map { .string($0) })),
            .init(key: "file_descriptor_limit", value: .unsigned(frontDoor.settings.openFilesMax)),
            .init(key: "raft.status", value: .object(status)),
        ])
        responder.respond(200, [("Content-Type", "application/json; charset=utf-8")], Bytes(json.encoded))
    }

    /// A profile takes its time, on other threads; a client that goes away ends it.
    private func profile(_ request: HTTPRequest, _ responder: any HTTPResponder) {
        let asked = ProfileRequest(method: request.method, uri: request.uri, body: request.body)
        let eventLoop = origin.eventLoop
        let answer = NIOLoopBound(responder, eventLoop: eventLoop)
        let task = Task {
            guard let page = try? await ProfilePages.answer(asked) else { return }
            eventLoop.execute {
                if answer.value.isOpen { answer.value.respond(page.status, page.fields, page.body) }
            }
        }
        responder.whenClosed { task.cancel() }
    }
}
