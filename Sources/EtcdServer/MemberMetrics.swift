// What a member counts and times, until somebody asks for the page. Confined to the member's loop.

import Base
import EtcdAPI
import EtcdWire
import Foundation
import MVCC
import Metrics
import Replica

final class MemberMetrics {
    // Bounds as etcd's, so that dashboards and alerts fit.
    /// Of a write with its sync: the log does both in one go.
    var walFsync = Histogram(start: 0.001, factor: 2, count: 14)
    var walBytes: UInt64 = 0
    var backendCommit = Histogram(start: 0.001, factor: 2, count: 14)
    var defragmentation = Histogram(start: 0.1, factor: 2, count: 13)
    var snapshotSave = Histogram(start: 0.001, factor: 2, count: 14)
    var hash = Histogram(start: 0.01, factor: 2, count: 15)
    var hashAtRevision = Histogram(start: 0.01, factor: 2, count: 15)
    var compactionPause = Histogram(start: 1, factor: 2, count: 13)
    var indexCompactionPause = Histogram(start: 0.5, factor: 2, count: 14)
    var compactionTotal = Histogram(start: 100, factor: 2, count: 14)
    var leaseTTL = Histogram(start: 1, factor: 2, count: 24)
    var watchDelivery = Histogram(start: 0.001, factor: 2, count: 14)
    var watchDeliveryPerEvent = Histogram(start: 0.001, factor: 2, count: 14)
    var apply = HistogramFamily<AppliedRequest>(Histogram(start: 0.0001, factor: 2, count: 20))
    var requests = HistogramFamily<FrontTally.Request>(Histogram(start: 0.001, factor: 2, count: 14))
    var ranges = HistogramFamily<Bool>(Histogram(start: 0.0001, factor: 2, count: 20))

    var roundTrips = HistogramFamily<MemberID>(Histogram(start: 0.0001, factor: 2, count: 16))
    var snapshotsSent = HistogramFamily<MemberID>(Histogram(start: 0.1, factor: 2, count: 10))
    var snapshotsReceived = HistogramFamily<MemberID>(Histogram(start: 0.1, factor: 2, count: 10))

    var proposalsPending = 0
    var proposalsFailed = 0
    var isDefragmenting = false
    var slowApplies: UInt64 = 0
    var compactedAt: Double = 0
    var compactionBegun: Instant?
    var leasesExpired: UInt64 = 0
    var pages: UInt64 = 0
    private(set) var puts: UInt64 = 0
    private(set) var deletes: UInt64 = 0
    private(set) var transactions: UInt64 = 0
    private(set) var rangesDone: UInt64 = 0
    private(set) var events: UInt64 = 0
    private(set) var putBytes: UInt64 = 0
    private(set) var leasesGranted: UInt64 = 0
    private(set) var leasesRevoked: UInt64 = 0
    private(set) var leasesRenewed: UInt64 = 0
    private(set) var failedBarriers: UInt64 = 0
    private(set) var promotionFailures: [String: Double] = [:]
    let started = Date().timeIntervalSince1970

    /// Applies slower than this are counted, as etcd's default has it.
    private static let slowApply = 0.1

    /// What a turn has applied; its time is shared out evenly.
    func note(_ applied: [AppliedRequest], seconds: Double) {
        let each = seconds / Double(max(1, applied.count))
        if each > Self.slowApply { slowApplies += UInt64(applied.count) }
        // Those that stand together are mostly alike.
        var start = 0
        while start < applied.count {
            let request = applied[start]
            var end = start + 1
            while end < applied.count, applied[end] == request { end += 1 }
            let times = UInt64(end - start)
            start = end
            apply.observe(request, each, times: times)
            guard request.succeeded else { continue }
            switch request.kind {
            case .txn: transactions += times
            case .leaseGrant: leasesGranted += times
            case .leaseRevoke: leasesRevoked += times
            default: break
            }
        }
    }

    func note(_ changes: [StoreRevision]) {
        for revision in changes {
            events += UInt64(revision.changes.count)
            for change in revision.changes {
                if change.isDelete {
                    deletes += 1
                } else {
                    puts += 1
                    putBytes += UInt64(change.row.count)
                }
            }
        }
    }

    func note(_ tally: FrontTally) {
        for request in tally.finished {
            requests.observe(request.request, Double(request.tookNanoseconds) / 1e9, times: request.times)
        }
        rangesDone += tally.ranges
        // A range has no clock of its own: only how many there were is true.
        if tally.ranges > 0 { ranges.observe(true, 0, times: tally.ranges) }
        if tally.failedRanges > 0 { ranges.observe(false, 0, times: tally.failedRanges) }
        leasesRenewed += tally.keepAlives
        failedBarriers += tally.failedBarriers
        for reason in tally.promotionFailures { promotionFailures[reason, default: 0] += 1 }
        for ttl in tally.grantedTTLs { leaseTTL.observe(Double(ttl)) }
    }
}
