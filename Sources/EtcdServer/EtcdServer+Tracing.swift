// Distributed tracing: spans of calls to an OTLP collector, where the flags ask for it.

import Base
import EtcdAPI
import FoundationEssentials
import FrontDoor
import NIOCore
import ServerConfiguration
import ServerLog
import TraceExport
import Tracing

extension EtcdServer {
    /// Nil unless the flags ask for traces.
    func traceExporter() throws -> TraceExporter? {
        let tracing = configuration.tracing
        guard tracing.enabled else { return nil }
        guard let address = CollectorAddress(tracing.address) else {
            throw ServerStartError(description: "invalid distributed tracing address \"\(tracing.address)\"")
        }
        let resource = TraceResource.attributes(
            service: tracing.serviceName,
            instance: tracing.instanceID,
            environment: ProcessInfo.processInfo.environment[TraceResource.variable]
        )
        let logger = logger
        let exporter = try TraceExporter(to: address, resource: resource) { report in
            switch report {
            case .failing(let reason):
                logger.warn("failed to export traces", [.string("address", tracing.address), .error(reason)])
            case .works(let lost):
                logger.info("exporting traces again", [.string("address", tracing.address), .int("lost-spans", lost)])
            }
        }
        logger.debug(
            "distributed tracing enabled",
            [
                .string("address", tracing.address), .string("service-name", tracing.serviceName),
                .string("service-instance-id", tracing.instanceID),
                .int("sampling-rate", tracing.samplingRatePerMillion),
            ]
        )
        logger.info("distributed tracing setup enabled")
        return exporter
    }
}

extension MemberLoop {
    /// How long a span waits for its batch, as with etcd.
    static let spanDelay = TimeAmount.seconds(5)

    func startTracing() {
        guard let exporter else { return }
        let sampler = Sampler(perMillion: Int(configuration.tracing.samplingRatePerMillion))
        door.tracer = Tracer(
            sampler,
            seed: .random(in: 0...UInt64.max),
            clock: Self.now,
            unixOffset: Self.unixOffset
        ) { exporter.post($0) }
        lane.isTraced = true
    }

    func flushSpans() {
        door.tracer?.unixOffset = Self.unixOffset
        door.tracer?.flush()
    }

    /// What the clock's nanoseconds lack to those since 1970.
    static var unixOffset: Int64 {
        Int64(Date().timeIntervalSince1970 * 1e9) - Int64(clamping: now().nanoseconds)
    }
}
