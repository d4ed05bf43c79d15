// What a member counts and times, until somebody asks for the page. Confined to the member's loop.

import Base
import EtcdAPI
import EtcdWire
import FoundationEssentials
import MVCC
import Metrics
import Replica

final class MemberMetrics {
    // Bounds as etcd's, so that dashboards and alerts fit.
    var walBytes: UInt64 = 0
    private(set) var backendCommit = Histogram(start: 0.001, factor: 2, count: 14)
    var defragmentation = Histogram(start: 0.1, factor: 2, count: 13)
    private(set) var commitRebalance = Histogram(start: 0.001, factor: 2, count: 14)
    private(set) var commitSpill = Histogram(start: 0.001, factor: 2, count: 14)
    private(set) var commitWrite = Histogram(start: 0.001, factor: 2, count: 14)
    private(set) var backendSnapshot = Histogram(start: 0.01, factor: 2, count: 17)
    var hash = Histogram(start: 0.01, factor: 2, count: 15)
    var hashAtRevision = Histogram(start: 0.01, factor: 2, count: 15)
    var compactionPause = Histogram(start: 1, factor: 2, count: 13)
    var indexCompactionPause = Histogram(start: 0.5, factor: 2, count: 14)
    var compactionTotal = Histogram(start: 100, factor: 2, count: 14)
    var leaseTTL = Histogram(start: 1, factor: 2, count: 24)
    private(set) var watchControl = Histogram(start: 0.001, factor: 2, count: 14)
    private(set) var watchProgress = Histogram(start: 0.001, factor: 2, count: 14)
    var watchDelivery = Histogram(start: 0.001, factor: 2, count: 14)
    var watchDeliveryPerEvent = Histogram(start: 0.001, factor: 2, count: 14)
    var apply = HistogramFamily<AppliedRequest>(Histogram(start: 0.0001, factor: 2, count: 20))
    var requests = HistogramFamily<FrontTally.Request>(Histogram(start: 0.001, factor: 2, count: 14))
    var ranges = HistogramFamily<Bool>(Histogram(start: 0.0001, factor: 2, count: 20))

    /// With `--metrics extensive` alone; Prometheus' own bounds.
    var handling = HistogramFamily<RPC>(Histogram(bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]))

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
    var lateHeartbeats: UInt64 = 0
    private(set) var promotions: UInt64 = 0
    private(set) var slowBarriers: UInt64 = 0
    var pages: UInt64 = 0
    private(set) var puts: UInt64 = 0
    private(set) var deletes: UInt64 = 0
    private(set) var transactions: UInt64 = 0
    private(set) var rangesDone: UInt64 = 0
    private(set) var putBytes: UInt64 = 0
    private(set) var leasesGranted: UInt64 = 0
    private(set) var leasesRevoked: UInt64 = 0
    private(set) var leasesRenewed: UInt64 = 0
    private(set) var failedBarriers: UInt64 = 0
    private(set) var promotionFailures: [String: Double] = [:]
    let started = Date().timeIntervalSince1970

    /// Applies slower than this are counted.
    var slowApplyNanoseconds: UInt64 = 100_000_000

    func note(_ commit: CommitTimes) {
        backendCommit.observe(commit.total)
        commitRebalance.observe(commit.rebalance)
        commitSpill.observe(commit.spill)
        commitWrite.observe(commit.write)
    }

    /// What a turn has applied.
    func note(_ applied: [(request: AppliedRequest, nanoseconds: UInt64)]) {
        for one in applied where one.nanoseconds > slowApplyNanoseconds { slowApplies += 1 }
        // Those that stand together are mostly alike.
        var start = 0
        while start < applied.count {
            let request = applied[start].request
            var end = start + 1
            while end < applied.count, applied[end].request == request { end += 1 }
            let times = UInt64(end - start)
            // Changes of the cluster's configuration are not timed.
            if request.kind != nil { apply.observe(request, applied[start..<end]) { Double($0.nanoseconds) / 1e9 } }
            start = end
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
            for change in revision.changes {
                if change.isDelete {
                    deletes += 1
                } else {
                    puts += 1
                    putBytes += UInt64(KeyValue.payloadSize(of: change.row))
                }
            }
        }
    }

    /// A snapshot for another member: the file stays pinned that long.
    func noteSnapshot(seconds: Double) { backendSnapshot.observe(seconds) }

    func note(_ tally: FrontTally) {
        for request in tally.finished {
            requests.observe(request.request, Double(request.tookNanoseconds) / 1e9, times: request.times)
        }
        rangesDone += UInt64(tally.ranges.count)
        if !tally.ranges.isEmpty { ranges.observe(true, tally.ranges) { Double($0) / 1e9 } }
        if !tally.failedRanges.isEmpty { ranges.observe(false, tally.failedRanges) { Double($0) / 1e9 } }
        for took in tally.watchControls { watchControl.observe(Double(took) / 1e9) }
        for took in tally.watchProgress { watchProgress.observe(Double(took) / 1e9) }
        for took in tally.snapshots { backendSnapshot.observe(Double(took) / 1e9) }
        promotions += tally.promotions
        slowBarriers += tally.unansweredBarriers
        leasesRenewed += tally.keepAlives
        failedBarriers += tally.failedBarriers
        for reason in tally.promotionFailures { promotionFailures[reason, default: 0] += 1 }
        for ttl in tally.grantedTTLs { leaseTTL.observe(Double(ttl)) }
    }
}
