// Compaction without being asked: when, and up to where. It knows no clock; whoever has one looks in a few times a second,
// and proposes.

import Base
import ServerConfiguration
import ServerLog

/// Followers take samples, too: one that becomes leader goes on where the last one was.
struct AutoCompactor {
    private let mode: AutoCompaction
    private var samples: [(at: Instant, revision: Int64)] = []
    private var nextSample: Instant
    /// The next time that counts, at the earliest.
    private var due: Instant
    private var lastCompacted: Int64 = 0

    /// Ten looks an interval, as etcd; an interval is at most an hour.
    private static let samplesPerInterval: Int64 = 10
    private static let intervalMax = Duration.seconds(3600)
    private static let revisionModeInterval = Duration.seconds(300)

    init?(_ mode: AutoCompaction, now: Instant) {
        self.mode = mode
        nextSample = now
        switch mode {
        case .off: return nil
        case .periodic(let retention): due = now + retention.duration
        case .revisions: due = now + Self.revisionModeInterval
        }
    }

    /// Between compactions, once the first is done.
    private func interval(_ retention: Duration) -> Duration { min(retention, Self.intervalMax) }

    /// The revision to compact to now, or nil.
    /// - Parameter leads: whether this member is the one that compacts.
    mutating func look(now: Instant, current: Int64, leads: Bool) -> Int64? {
        switch mode {
        case .off: return nil
        case .revisions(let count):
            guard now >= due else { return nil }
            due = now + Self.revisionModeInterval
            let revision = current - count
            guard leads, revision > 0, revision != lastCompacted else { return nil }
            return revision
        case .periodic(let retention):
            let span = retention.duration
            guard now >= nextSample else { return nil }
            let step = Duration.nanoseconds(interval(span).wholeNanoseconds / Self.samplesPerInterval)
            nextSample = now + step
            samples.append((now, current))
            // Of those that are older than the span the newest is enough.
            guard let index = samples.lastIndex(where: { now - $0.at >= span }) else { return nil }
            samples.removeFirst(index)
            // An unchanged store is looked at again with the next sample, as after a failure.
            guard now >= due, leads, samples[0].revision != lastCompacted else { return nil }
            return samples[0].revision
        }
    }

    /// The store is compacted up to `revision`, by this or by somebody else.
    mutating func compacted(_ revision: Int64, now: Instant) {
        lastCompacted = revision
        if case .periodic(let retention) = mode { due = now + interval(retention.duration) }
    }

    /// `periodic` or `revision`, as the log lines name it.
    var name: String {
        if case .revisions = mode { "revision" } else { "periodic" }
    }
}
