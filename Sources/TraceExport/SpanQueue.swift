// Batches of spans between the member's event loop and the exporter. Bounded: a collector that is away costs the spans that
// do not fit, and nothing else.

import Synchronization
package import Tracing

package final class SpanQueue: Sendable {
    /// Two thousand spans, as with etcd.
    package static let batchesMax = 4

    package let batches: AsyncStream<[Span]>
    private let input: AsyncStream<[Span]>.Continuation
    private let lost = Atomic<Int>(0)

    package init() {
        (batches, input) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.batchesMax))
    }

    /// Takes a batch, or counts its spans as lost if there is no room. Never waits.
    package func post(_ batch: [Span]) {
        switch input.yield(batch) {
        case .enqueued: break
        default: lost.add(batch.count, ordering: .relaxed)
        }
    }

    /// Nothing more will come.
    package func close() { input.finish() }

    /// How many spans found no room since this was asked last.
    package func takeLost() -> Int { lost.exchange(0, ordering: .relaxed) }
}
