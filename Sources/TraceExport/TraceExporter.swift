// Sends spans to an OTLP collector over gRPC, batch after batch, on threads of its own. Whatever the collector does, who
// hands spans over never waits, and what cannot be sent in time is dropped.

import Base
import Dispatch
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOPosix
package import Tracing

package final class TraceExporter: Sendable {
    /// For whoever writes the log: one report when sending begins to fail, one when it works again.
    package enum Report: Sendable, Equatable {
        case failing(reason: String)
        /// - Parameter lost: how many spans were dropped meanwhile.
        case works(lost: Int)
    }

    /// How long a batch is tried, repetitions and waiting included.
    private static let exportTimeout: Duration = .seconds(10)
    /// Between attempts; a second attempt is the last for most batches.
    private static let retryPause: Duration = .seconds(5)
    /// Between reports of lost spans while sending works.
    private static let reportInterval: Duration = .seconds(30)
    private static let responseBytesMax = 1 << 20
    private static let backoff = HTTP2ClientTransport.Config.Backoff(
        initial: .seconds(1),
        max: .seconds(30),
        multiplier: 1.6,
        jitter: 0.2
    )

    private let queue = SpanQueue()
    private let group: MultiThreadedEventLoopGroup
    private let connections: Task<Void, Never>
    private let work: Task<Void, Never>
    private let isDone = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - resource: who the spans come from.
    ///   - report: called from the exporter's own threads.
    package init(
        to address: CollectorAddress,
        resource: [SpanAttribute],
        report: @escaping @Sendable (Report) -> Void
    ) throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let client = GRPCClient(
            transport: try HTTP2ClientTransport.Posix(
                target: address.target,
                transportSecurity: .plaintext,
                config: .defaults { config in
                    config.backoff = Self.backoff
                    if case .socket = address { config.http2.authority = "localhost" }
                },
                eventLoopGroup: group
            )
        )
        connections = Task { try? await client.runConnections() }
        let (queue, isDone) = (queue, isDone)
        work = Task {
            var sender = Sender(client: client, queue: queue, message: TraceMessage(resource: resource), report: report)
            for await batch in queue.batches { await sender.send(batch) }
            client.beginGracefulShutdown()
            isDone.signal()
        }
    }

    /// Takes spans that have ended, from any thread.
    package func post(_ batch: [Span]) { queue.post(batch) }

    /// Sends what is left, and ends. Blocks, no longer than `limit`: what could not be sent by then is lost.
    package func stop(within limit: Duration) {
        queue.close()
        if isDone.wait(timeout: .now() + .nanoseconds(Int(limit.wholeNanoseconds))) == .timedOut { work.cancel() }
        connections.cancel()
        group.shutdownGracefully { _ in }
    }

    private struct Sender {
        let client: GRPCClient<HTTP2ClientTransport.Posix>
        let queue: SpanQueue
        let message: TraceMessage
        let report: @Sendable (Report) -> Void
        var isFailing = false
        var lost = 0
        var reported: ContinuousClock.Instant?

        mutating func send(_ batch: [Span]) async {
            let failure = await attempt(message.encoded(batch).array)
            // Those that found no room waited behind a batch that took long.
            lost += queue.takeLost()
            guard let failure else {
                let isDue = reported.map { .now - $0 >= TraceExporter.reportInterval } ?? true
                if isFailing || (lost > 0 && isDue) {
                    report(.works(lost: lost))
                    (isFailing, lost, reported) = (false, 0, .now)
                }
                return
            }
            lost += batch.count
            if !isFailing { report(.failing(reason: failure)) }
            isFailing = true
        }

        /// Nil if the collector took the batch.
        private func attempt(_ bytes: [UInt8]) async -> String? {
            let deadline = ContinuousClock.now + TraceExporter.exportTimeout
            while true {
                let left = deadline - .now
                guard let failure = await call(bytes, timeout: left) else { return nil }
                guard failure.mayRepeat, !Task.isCancelled, deadline - .now > TraceExporter.retryPause else {
                    return failure.reason
                }
                try? await Task.sleep(for: TraceExporter.retryPause)
            }
        }

        private func call(_ bytes: [UInt8], timeout: Duration) async -> (reason: String, mayRepeat: Bool)? {
            var options = CallOptions.defaults
            options.timeout = timeout
            options.waitForReady = false
            options.maxResponseMessageBytes = TraceExporter.responseBytesMax
            do {
                let answer: [UInt8] = try await client.unary(
                    request: ClientRequest(message: bytes),
                    descriptor: MethodDescriptor(
                        fullyQualifiedService: TraceMessage.service,
                        method: TraceMessage.method
                    ),
                    serializer: PlainBytes(),
                    deserializer: PlainBytes(),
                    options: options
                ) { try $0.message }
                return TraceMessage.refusal(inResponse: Bytes(answer)).map { ($0, false) }
            } catch let error as RPCError {
                return ("\(error.code): \(error.message)", Self.repeatable.contains(error.code))
            } catch {
                return (String(describing: error), false)
            }
        }

        /// After these the same batch may be sent again, says OTLP.
        private static let repeatable: Set<RPCError.Code> = [
            .cancelled, .deadlineExceeded, .aborted, .outOfRange, .unavailable, .dataLoss,
        ]
    }
}

private struct PlainBytes: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
        bytes.withUnsafeBytes { [UInt8]($0) }
    }
}
