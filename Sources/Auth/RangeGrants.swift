// What one user may read and write: the ranges of all roles, joined where they touch, so that a question is one binary
// search.

import Base

/// Disjoint half-open intervals of keys, sorted. A nil end is open.
struct KeyIntervals: Sendable, Equatable {
    private struct Interval: Sendable, Equatable {
        var start: Bytes
        var end: Bytes?
    }

    private var intervals: [Interval] = []

    init(_ ranges: [KeyRange]) {
        for next in ranges.map(Self.interval).sorted(by: { $0.start < $1.start }) {
            guard let last = intervals.last, last.end.map({ $0 >= next.start }) ?? true else {
                intervals.append(next)
                continue
            }
            guard let lastEnd = last.end else { break }
            intervals[intervals.count - 1].end = next.end.map { max($0, lastEnd) }
        }
    }

    /// A single key `k` is [k, k + zero byte).
    private static func interval(_ range: KeyRange) -> Interval {
        if range.isSingleKey { return Interval(start: range.key, end: Bytes(range.key.array + [0])) }
        return Interval(start: range.key, end: range.isUnbounded ? nil : range.end)
    }

    /// Whether all of the range is inside.
    func hold(_ range: KeyRange) -> Bool {
        let wanted = Self.interval(range)
        var (low, high) = (0, intervals.count)
        while low < high {
            let middle = (low + high) / 2
            if intervals[middle].start <= wanted.start { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return false }
        guard let end = intervals[low - 1].end else { return true }
        guard let wantedEnd = wanted.end else { return false }
        // A range that holds nothing, for it ends before it begins, is asked for its key: as etcd.
        return wantedEnd <= end && wanted.start < end
    }
}

struct RangeGrants: Sendable, Equatable {
    var read: KeyIntervals
    var write: KeyIntervals

    init(_ permissions: [Permission]) {
        read = KeyIntervals(permissions.filter(\.kind.allowsRead).map(\.range))
        write = KeyIntervals(permissions.filter(\.kind.allowsWrite).map(\.range))
    }
}
