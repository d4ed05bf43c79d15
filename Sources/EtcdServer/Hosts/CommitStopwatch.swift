// How long the phases of the file's commits took. Lives on the commit thread while that works on its requests.

import BBolt
import Dispatch

/// Seconds of one commit's phases.
struct CommitTimes: Sendable {
    var rebalance = 0.0
    var spill = 0.0
    var write = 0.0

    var total: Double { rebalance + spill + write }
}

final class CommitStopwatch {
    private(set) var commits: [CommitTimes] = []
    private var current = CommitTimes()
    private var last: UInt64 = 0

    func reached(_ phase: CommitPhase) {
        let now = DispatchTime.now().uptimeNanoseconds
        let seconds = Double(now &- last) / 1e9
        last = now
        switch phase {
        case .begun: current = CommitTimes()
        case .rebalanced: current.rebalance = seconds
        case .spilled: current.spill = seconds
        case .durable:
            current.write = seconds
            commits.append(current)
        }
    }
}
