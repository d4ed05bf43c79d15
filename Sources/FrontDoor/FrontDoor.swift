// What all connections of one event loop share: the front lane behind them, the settings in front, and the list of those
// that have something to write.

package import Base
package import EtcdAPI
package import HTTP2
import NIOCore
package import Tracing

package struct FrontDoorSettings: Sendable {
    package var http2: HTTP2ServerSettings
    package var servesGateway: Bool
    /// Origins that browsers may come from; "*" for all.
    package var corsOrigins: Set<String>
    /// Host names that plain HTTP may be addressed to; "*" for all.
    package var hostNames: Set<String>
    /// Whether a client is who its certificate names.
    package var trustsCertificates = false
    /// For the page of variables.
    package var commandLine: [String] = []
    /// For the page of variables.
    package var openFilesMax: UInt64 = 0
    /// Profiles of the process are served.
    package var servesProfiles = false

    package init(http2: HTTP2ServerSettings, servesGateway: Bool, corsOrigins: Set<String>, hostNames: Set<String>) {
        self.http2 = http2
        self.servesGateway = servesGateway
        self.corsOrigins = corsOrigins
        self.hostNames = hostNames
    }
}

package final class FrontDoor {
    package let lane: FrontLane
    package let settings: FrontDoorSettings
    package let statistics = CallStatistics()
    package let reports: CallReports
    package internal(set) var healthSuccesses: UInt64 = 0
    package internal(set) var healthFailures: UInt64 = 0
    /// Of `/livez` and `/readyz`, since their first time.
    package internal(set) var healthChecks: [HealthCheck: HealthRecord] = [:]
    /// Of clients, of whatever kind, since the start.
    package internal(set) var messages: UInt64 = 0
    /// The page of `/metrics`.
    package let metrics: () -> String
    /// Makes the spans of calls; nil where there are none.
    package var tracer: Tracer?
    /// Called when requests have come in that the replica should see in this turn.
    package var requestsArrived: () -> Void = {}
    /// Called when there is something to write, the first since `flush`.
    package var outputArrived: () -> Void = {}
    /// The time as HTTP writes it; empty for none.
    package var date: () -> String = { "" }
    /// Told what the log should know of the pages of health.
    package var healthNews: (HealthNews) -> Void = { _ in }
    /// Told the name of a host that plain HTTP may not be addressed to.
    package var hostRefused: (String) -> Void = { _ in }
    private var connections: [ObjectIdentifier: HTTP2ServerHandler] = [:]
    private var dirty: [HTTP2ServerHandler] = []
    private let output = OutputBuffer()
    private let backlog = AnswerBacklog()
    let clock: () -> Instant

    package init(
        lane: FrontLane, settings: FrontDoorSettings, clock: @escaping () -> Instant, metrics: @escaping () -> String
    ) {
        self.lane = lane
        reports = CallReports(now: { [unowned lane] in lane.now })
        self.settings = settings
        self.clock = clock
        self.metrics = metrics
    }

    package var openConnections: Int { connections.count }

    /// Before requests are handed to the lane.
    func burstBegins() { lane.now = clock() }

    /// After all requests of a read were handed to the lane.
    func burstEnded() {
        lane.closeBurst()
        if lane.hasRequests { requestsArrived() }
    }

    func makeHTTP2Handler(_ origin: HTTPOrigin) -> HTTP2ServerHandler {
        let application = GRPCApplication(self, origin)
        let handler = HTTP2ServerHandler(
            application: application, settings: settings.http2, output: output, backlog: backlog)
        // Lets go when the connection ends, as the application does.
        handler.whenDirty = { [self] handler in
            dirty.append(handler)
            if dirty.count == 1 { outputArrived() }
        }
        application.connection = ObjectIdentifier(handler)
        connections[ObjectIdentifier(handler)] = handler
        return handler
    }

    func connectionClosed(_ connection: ObjectIdentifier?) {
        if let connection { connections[connection] = nil }
    }

    /// Writes what the turn has answered, one write per connection.
    package func flush() {
        guard !dirty.isEmpty else { return }
        let handlers = dirty
        dirty.removeAll(keepingCapacity: true)
        for handler in handlers { handler.flushScheduled() }
    }

    /// No new calls on any connection.
    package func shutDown() {
        for handler in connections.values { handler.shutDown() }
    }
}
