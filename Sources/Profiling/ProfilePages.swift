// The pages under `/debug/pprof/`: profiles of this process in the format and under the names that Go's programs give
// theirs, so that the tools that know those read these.
//
// What is Go's alone has the nearest that this process has: `goroutine` and `threadcreate` are its threads, `heap` and
// `allocs` what the allocator has handed out, `block` and `mutex` are empty, `trace` is refused.

package import Base

/// A request for one of the pages.
package struct ProfileRequest: Sendable {
    package var method: String
    /// Without the query.
    package var path: String
    /// What follows the question mark.
    package var query: String
    package var body: Bytes

    /// - Parameter uri: path and query.
    package init(method: String, uri: String, body: Bytes = Bytes()) {
        self.method = method
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts.first ?? "")
        query = parts.count > 1 ? String(parts[1]) : ""
        self.body = body
    }

    /// The first value of a parameter; empty if there is none.
    func parameter(_ name: String) -> String {
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts[0] == name { return parts.count > 1 ? String(parts[1]) : "" }
        }
        return ""
    }
}

package struct ProfilePage: Sendable {
    package var status: Int
    package var fields: [(String, String)]
    package var body: Bytes
}

package enum ProfilePages {
    /// Where the pages are, as the log names it.
    package static let path = "/debug/pprof"

    /// Whether a request is for one of the pages.
    /// - Parameter path: without the query.
    package static func serve(_ path: String) -> Bool { path == Self.path || path.hasPrefix(Self.path + "/") }

    /// The page. Takes as long as the request says; not to be called on an event loop.
    /// - Throws: `CancellationError` if the task is cancelled: nobody waits any more.
    package static func answer(_ request: ProfileRequest) async throws -> ProfilePage {
        if request.path == path { return redirection(request) }
        switch request.path.dropFirst(path.utf8.count + 1) {
        case "": return text(index(), type: "text/html; charset=utf-8")
        case "cmdline": return text(Bytes(ProcessFacts.commandLine()))
        case "symbol": return text(symbols(request))
        case "profile": return try await processorProfile(request)
        case "trace":
            return refusal(
                501,
                "Could not enable tracing: this is not a program of Go, whose scheduler would be traced"
            )
        case let name:
            guard let kind = SnapshotKind(rawValue: String(name)) else { return refusal(404, "Unknown profile") }
            return try await snapshot(kind, request)
        }
    }

    // MARK: Forms of answers

    private static let sniffing = ("x-content-type-options", "nosniff")

    private static func text(_ body: Bytes, type: String = "text/plain; charset=utf-8") -> ProfilePage {
        ProfilePage(status: 200, fields: [("content-type", type), sniffing], body: body)
    }

    /// Go's tools show the sentence of an answer with this field.
    private static func refusal(_ status: Int, _ sentence: String) -> ProfilePage {
        ProfilePage(
            status: status,
            fields: [("content-type", "text/plain; charset=utf-8"), sniffing, ("x-go-pprof", "1")],
            body: Bytes(sentence + "\n")
        )
    }

    private static func file(_ profile: Profile, named name: String) -> ProfilePage {
        guard let packed = gzip(profile.encoded) else { return refusal(500, "failed to compress profile") }
        return ProfilePage(
            status: 200,
            fields: [
                ("content-type", "application/octet-stream"), sniffing,
                ("content-disposition", "attachment; filename=\"\(name)\""),
            ],
            body: Bytes(packed)
        )
    }

    private static func redirection(_ request: ProfileRequest) -> ProfilePage {
        let target = path + "/" + (request.query.isEmpty ? "" : "?" + request.query)
        let isRead = request.method == "GET" || request.method == "HEAD"
        return ProfilePage(
            status: 307,
            fields: [("location", target)] + (isRead ? [("content-type", "text/html; charset=utf-8")] : []),
            body: request.method == "GET" ? temporaryRedirectPage(to: target) : Bytes()
        )
    }

    // MARK: The pages

    private static let others = [
        ("cmdline", "How this process was called; zero bytes between the arguments."),
        ("profile", "Where the processor's time goes, for as many seconds as the parameter seconds says (30)."),
        ("trace", "Of Go's scheduler; there is none here."),
    ]

    private static func index() -> Bytes {
        let kinds = SnapshotKind.allCases.map { (name: $0.rawValue, text: $0.explanation, count: $0.count) }
        let rows = (kinds + others.map { (name: $0.0, text: $0.1, count: 0) }).sorted { $0.name < $1.name }
        var page =
            "<html>\n<head><title>\(path)/</title></head>\n<body>\n<p>\(path)/: with debug=1 as text</p>\n<table>\n"
        page += "<thead><td>Count</td><td>Profile</td><td></td></thead>\n"
        for row in rows {
            page +=
                "<tr><td>\(row.count)</td><td><a href='\(row.name)?debug=1'>\(row.name)</a></td><td>\(row.text)</td></tr>\n"
        }
        page += "</table>\n<a href=\"goroutine?debug=2\">all threads</a>\n</body>\n</html>\n"
        return Bytes(page)
    }

    /// How many addresses are looked up for one request: more than a profile has, and a bound on what a request costs.
    private static let symbolsMax = 100_000

    private static func symbols(_ request: ProfileRequest) -> Bytes {
        let asked = request.method == "POST" ? request.body.description : request.query
        let addresses = asked.split(separator: "+").prefix(symbolsMax).compactMap { number($0) }.filter { $0 != 0 }
        let names = SymbolNames.names(of: Set(addresses))
        var page = "num_symbols: 1\n"
        for address in addresses {
            if let name = names[address] { page += "0x\(String(address, radix: 16)) \(name)\n" }
        }
        return Bytes(page)
    }

    /// In the base that its beginning says.
    private static func number(_ text: Substring) -> UInt64? {
        if text.hasPrefix("0x") || text.hasPrefix("0X") { return UInt64(text.dropFirst(2), radix: 16) }
        return UInt64(text)
    }

    private static func processorProfile(_ request: ProfileRequest) async throws -> ProfilePage {
        let asked = Int64(request.parameter("seconds")) ?? 0
        do {
            return file(try await ProcessorProfiler.profile(seconds: asked > 0 ? asked : 30), named: "profile")
        } catch let failure as ProcessorProfiler.Failure {
            return refusal(500, "Could not enable CPU profiling: \(failure.description)")
        }
    }

    private static func snapshot(_ kind: SnapshotKind, _ request: ProfileRequest) async throws -> ProfilePage {
        let debug = Int64(request.parameter("debug")) ?? 0
        let asked = request.parameter("seconds")
        guard asked.isEmpty else {
            guard let seconds = Int64(asked), seconds > 0 else {
                return refusal(400, "invalid value for \"seconds\" - must be a positive integer")
            }
            if debug != 0 { return refusal(400, "seconds and debug params are incompatible") }
            let before = kind.profile()
            try await Task.sleep(for: .seconds(min(seconds, 1 << 30)))
            return file(kind.profile().since(before), named: kind.rawValue + "-delta")
        }
        if debug != 0 { return text(Bytes(kind.text(isLong: debug >= 2))) }
        return file(kind.profile(), named: kind.rawValue)
    }
}
