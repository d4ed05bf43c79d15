// What the proxy says over plain HTTP: its health and numbers, and those of the members behind it.

import Base
import EtcdClient
import EtcdWire
import FoundationEssentials
import Metrics
import Profiling

/// One answer.
struct ProxyPage: Sendable {
    var status = 200
    var fields: [(String, String)] = []
    var body: [UInt8] = []

    init(_ status: Int, _ type: String, _ body: [UInt8]) {
        self.status = status
        fields = [("content-type", type)]
        self.body = body
    }

    static func text(_ status: Int, _ text: String) -> ProxyPage {
        var page = ProxyPage(status, "text/plain; charset=utf-8", Array(text.utf8))
        page.fields.append(("x-content-type-options", "nosniff"))
        return page
    }
}

struct ProxyPages: Sendable {
    let services: ProxyServices
    /// The page of a member's metrics.
    let memberMetrics: @Sendable () async throws -> [UInt8]
    /// Whether the proxy advertises an address: one without isn't asked for its own health.
    let isAdvertised: Bool
    var servesProfiles = false

    /// As long as etcd's proxy waits.
    private static let healthTimeout = Duration.seconds(1)

    /// - Returns: nil if the task is cancelled meanwhile: nobody waits any more.
    func answer(method: String, path uri: String, body: Bytes) async -> ProxyPage? {
        let path = String(uri.prefix { $0 != "?" })
        switch path {
        case _ where servesProfiles && ProfilePages.serve(path):
            let asked = ProfileRequest(method: method, uri: uri, body: body)
            guard let found = try? await ProfilePages.answer(asked) else { return nil }
            var page = ProxyPage(found.status, "", found.body.array)
            page.fields = found.fields
            return page
        case "/metrics": return await forwardedMetrics()
        case "/proxy/metrics":
            return ProxyPage(200, "text/plain; version=0.0.4; charset=utf-8", Array(services.metricsPage().utf8))
        case "/health", "/proxy/health":
            guard method == "GET" else {
                var page = ProxyPage.text(405, "Method Not Allowed\n")
                page.fields.append(("allow", "GET"))
                return page
            }
            return await health(ofProxy: path == "/proxy/health")
        default: return .text(404, "404 page not found\n")
        }
    }

    private func forwardedMetrics() async -> ProxyPage {
        do {
            return ProxyPage(200, "text/plain; version=0.0.4", try await memberMetrics())
        } catch {
            return .text(500, "Internal server error\n")
        }
    }

    private func health(ofProxy: Bool) async -> ProxyPage {
        var reason = ""
        if ofProxy, !isAdvertised {
            reason = "no connection to proxy"
        } else {
            do {
                try await services.probe(timeout: Self.healthTimeout)
            } catch {
                // Whoever is refused was answered.
                if error != .permissionDenied { reason = "GET ERROR:\(error.message)" }
            }
        }
        let isHealthy = reason.isEmpty
        let escaped = reason.reduce(into: "") { text, character in
            switch character {
            case "\"", "\\": text += "\\\(character)"
            case let other where other.isNewline || (other.asciiValue ?? 32) < 32: text += " "
            default: text.append(character)
            }
        }
        let json = "{\"health\":\"\(isHealthy)\",\"reason\":\"\(escaped)\"}"
        return ProxyPage(isHealthy ? 200 : 503, "text/plain; charset=utf-8", Array(json.utf8))
    }
}
