// The member's figures in Prometheus' text format, under etcd's names.

import Membership
import BBolt
import ServerConfiguration
import Base
import EtcdWire
import Foundation
import MVCC
import Raft
import Replica
import StateMachine

/// Counts of observations under bounds, as Prometheus wants them.
struct Histogram {
    let bounds: [Double]
    private var counts: [UInt64]
    private var sum = 0.0
    private var total: UInt64 = 0

    init(start: Double, factor: Double, count: Int) {
        bounds = (0..<count).map { start * pow(factor, Double($0)) }
        counts = Array(repeating: 0, count: count)
    }

    mutating func observe(_ value: Double) {
        if let place = bounds.firstIndex(where: { value <= $0 }) { counts[place] += 1 }
        sum += value
        total += 1
    }

    func lines(_ name: String) -> String {
        var output = "# TYPE \(name) histogram\n"
        var running: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            running += count
            output += "\(name)_bucket{le=\"\(number(bound))\"} \(running)\n"
        }
        return output + "\(name)_bucket{le=\"+Inf\"} \(total)\n\(name)_sum \(number(sum))\n\(name)_count \(total)\n"
    }
}

/// As Go prints: whole numbers without a fraction.
private func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
}

final class MemberMetrics {
    var walFsync = Histogram(start: 0.001, factor: 2, count: 14)
    var backendCommit = Histogram(start: 0.001, factor: 2, count: 14)
    var proposalsPending = 0
    var proposalsFailed = 0
    private var puts: UInt64 = 0
    private let started = Date().timeIntervalSince1970

    func note(_ replies: [AppliedReply]) {
        for reply in replies { if case .success = reply.outcome { puts += 1 } }
    }

    func page(_ member: MemberLoop) -> String {
        let raft = member.raftStatus
        let view = member.view
        var output = ""
        func gauge(_ name: String, _ value: some CustomStringConvertible, _ labels: String = "") {
            output += "# TYPE \(name) gauge\n\(name)\(labels) \(value)\n"
        }
        func counter(_ name: String, _ value: some CustomStringConvertible) {
            output += "# TYPE \(name) counter\n\(name) \(value)\n"
        }
        gauge("etcd_server_has_leader", raft.lead == 0 ? 0 : 1)
        gauge("etcd_server_is_leader", raft.role == .leader ? 1 : 0)
        gauge("etcd_server_is_learner", member.membership.isLocalLearner ? 1 : 0)
        counter("etcd_server_leader_changes_seen_total", member.monitors.leaderChanges)
        gauge("etcd_server_proposals_committed_total", raft.commit)
        gauge("etcd_server_proposals_applied_total", member.appliedIndex)
        gauge("etcd_server_proposals_pending", proposalsPending)
        counter("etcd_server_proposals_failed_total", proposalsFailed)
        gauge("etcd_server_quota_backend_bytes", member.configuration.storage.effectiveQuotaBytes ?? 0)
        gauge("etcd_server_version", 1, "{server_version=\"\(SemanticVersion.server)\"}")
        gauge("etcd_server_id", 1, "{server_id=\"\(hexadecimal(member.memberID))\"}")
        if let version = member.membership.clusterVersion {
            gauge("etcd_cluster_version", 1, "{cluster_version=\"\(version.minorDescription)\"}")
        }
        gauge("etcd_mvcc_db_total_size_in_bytes", member.statistics.sizeBytes)
        gauge("etcd_mvcc_db_total_size_in_use_in_bytes", member.statistics.sizeInUseBytes)
        gauge("etcd_mvcc_db_open_read_transactions", member.statistics.openReadTransactions)
        gauge("etcd_debugging_mvcc_keys_total", view.liveCount(KeyRange(key: [0], end: [0])))
        gauge("etcd_debugging_mvcc_current_revision", view.latestRevision)
        gauge("etcd_debugging_mvcc_compact_revision", view.compactRevision)
        output += walFsync.lines("etcd_disk_wal_fsync_duration_seconds")
        output += backendCommit.lines("etcd_disk_backend_commit_duration_seconds")
        gauge("process_start_time_seconds", number(started))
        if let usage = ProcessUsage() {
            counter("process_cpu_seconds_total", number(usage.cpuSeconds))
            gauge("process_resident_memory_bytes", usage.residentBytes)
            gauge("process_open_fds", usage.openFiles)
        }
        return output
    }
}

/// What the system says of this process.
private struct ProcessUsage {
    var cpuSeconds: Double
    var residentBytes: Int
    var openFiles: Int

    init?() {
        guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let tail = stat.split(separator: ")").last
        else { return nil }
        let fields = tail.split(separator: " ")
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let pages = Int(fields[21])
        else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
        openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    }
}
