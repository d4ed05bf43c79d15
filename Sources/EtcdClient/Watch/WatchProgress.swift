// How far a watch has come, so that its next stream begins right after what was delivered.
// Invariant: over all streams of one watch, every event after its start comes once, in the order of revisions.

import EtcdWire
import Synchronization

/// Where a watch has come to.
final class WatchProgress: Sendable {
    private struct State {
        /// The revision that the next stream begins with; 0 until it is known what "now" was.
        var next: Int64
        /// How many events of revision `next` were delivered: more than none only if a stream broke between two fragments.
        var deliveredOfNext = 0
        /// How many events of revision `next` the present stream has still to repeat.
        var toSkip = 0
    }

    private let state: Mutex<State>

    init(startRevision: Int64) { state = Mutex(State(next: startRevision)) }

    /// The first revision of interest to the next stream.
    func beginStream() -> Int64 {
        state.withLock { state in
            state.toSkip = state.deliveredOfNext
            return state.next
        }
    }

    /// The history before `revision` is gone; go on from there.
    func jump(to revision: Int64) {
        state.withLock { $0 = State(next: max($0.next, revision)) }
    }

    /// Takes note of an answer.
    /// - Returns: the answer without the events that were delivered before.
    func saw(_ response: Etcdserverpb_WatchResponse) -> Etcdserverpb_WatchResponse {
        state.withLock { state in
            guard let last = response.events.last?.kv.modRevision else {
                // Only an answer to the creation, or a report of progress, is without events: all up to its revision is seen.
                if response.header.revision > 0, !response.created || state.next == 0 {
                    if response.header.revision + 1 > state.next {
                        state.next = response.header.revision + 1
                        state.deliveredOfNext = 0
                    }
                }
                return response
            }
            var fresh = response
            if state.toSkip > 0 {
                let repeated = state.next
                fresh.events = response.events.filter { event in
                    guard event.kv.modRevision == repeated, state.toSkip > 0 else { return true }
                    state.toSkip -= 1
                    return false
                }
            }
            if response.fragment {
                // The last revision's remaining events come with the next part.
                let count = fresh.events.reduce(0) { $0 + ($1.kv.modRevision == last ? 1 : 0) }
                state.deliveredOfNext = last == state.next ? state.deliveredOfNext + count : count
                state.next = last
            } else {
                state.next = last + 1
                state.deliveredOfNext = 0
            }
            return fresh
        }
    }
}
