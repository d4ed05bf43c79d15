// The page of `/metrics`: etcd's names, types, labels and buckets.

import BBolt
import Base
import EtcdAPI
import EtcdWire
import FoundationEssentials
import FrontDoor
import Lease
import MVCC
import Membership
import Metrics
import Raft
import Replica
import ServerConfiguration
import StateMachine

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension MemberMetrics {
    func page(_ member: MemberLoop) -> String {
        pages += 1
        var page = MetricPage(help: MetricHelp.texts)
        server(&page, member)
        disk(&page, member)
        store(&page, member)
        calls(&page, member)
        peers(&page, member)
        unused(&page)
        process(&page)
        return page.text()
    }

    private func server(_ page: inout MetricPage, _ member: MemberLoop) {
        let raft = member.raftStatus
        page.gauge("etcd_server_has_leader", raft.lead == 0 ? 0 : 1)
        page.gauge("etcd_server_is_leader", raft.role == .leader ? 1 : 0)
        page.gauge("etcd_server_is_learner", member.membership.isLocalLearner ? 1 : 0)
        page.counter("etcd_server_leader_changes_seen_total", member.monitors.leaderChanges)
        page.counter("etcd_server_learner_promote_successes", promotions)
        page.family(
            "etcd_server_learner_promote_failures", "counter",
            promotionFailures.sorted { $0.key < $1.key }.map { ("Reason=\"\($0.key)\"", $0.value) })
        page.counter("etcd_server_heartbeat_send_failures_total", lateHeartbeats)
        page.gauge(
            "etcd_server_snapshot_apply_in_progress_total", member.replica.isInstalling ? 1 : 0)
        page.gauge("etcd_server_proposals_committed_total", raft.commit)
        page.gauge("etcd_server_proposals_applied_total", member.appliedIndex)
        page.gauge("etcd_server_proposals_pending", proposalsPending)
        page.counter("etcd_server_proposals_failed_total", proposalsFailed)
        page.counter("etcd_server_slow_apply_total", slowApplies)
        page.counter("etcd_server_slow_read_indexes_total", slowBarriers)
        page.counter("etcd_server_read_indexes_failed_total", failedBarriers)
        page.gauge(
            "etcd_server_quota_backend_bytes", Int(member.configuration.storage.effectiveQuotaBytes ?? 0))
        page.family("etcd_server_version", "gauge", [("server_version=\"\(SemanticVersion.server)\"", 1)])
        page.family(
            "etcd_server_go_version", "gauge", [("server_go_version=\"\(swiftVersion)\"", 1)])
        page.family("etcd_server_id", "gauge", [("server_id=\"\(hexadecimal(member.memberID))\"", 1)])
        page.family(
            "etcd_server_feature_enabled", "gauge",
            FeatureGate.allCases.map { gate in
                ("name=\"\(gate.rawValue)\",stage=\"\(gate.maturity.rawValue)\"", member.configuration.featureGates.isEnabled(gate) ? 1 : 0)
            })
        if let version = member.membership.clusterVersion {
            page.family(
                "etcd_cluster_version", "gauge", [("cluster_version=\"\(version.minorDescription)\"", 1)])
        }
        page.family(
            "etcd_network_known_peers", "gauge",
            member.membership.members.map { ("Local=\"\(hexadecimal(member.memberID))\",Remote=\"\(hexadecimal($0.id))\"", 1) })
        page.family(
            "etcd_debugging_server_alarms", "gauge",
            member.alarms.members.map { ("alarm_type=\"\($0.alarm.name)\",server_id=\"\(hexadecimal($0.memberID))\"", 1) })
        page.gauge("etcd_debugging_auth_revision", member.authRevision)
        page.counter("etcd_server_health_success", member.door.healthSuccesses)
        page.counter("etcd_server_health_failures", member.door.healthFailures)
        let checks = member.door.healthChecks.sorted { ($0.key.name, $0.key.group) < ($1.key.name, $1.key.group) }
        func labels(_ check: HealthCheck) -> String { "name=\"\(check.name)\",type=\"\(check.group)\"" }
        page.family("etcd_server_healthcheck", "gauge", checks.map { (labels($0.key), $0.value.isPassed ? 1 : 0) })
        page.family(
            "etcd_server_healthchecks_total", "counter",
            checks.flatMap { check, record in
                [("error", record.failures), ("success", record.successes)].filter { $0.1 > 0 }.map { status, count in
                    ("name=\"\(check.name)\",status=\"\(status)\",type=\"\(check.group)\"", Double(count))
                }
            })
        page.histogram("etcd_server_apply_duration_seconds", apply) {
            "op=\"\($0.kind?.metricName ?? "unknown")\",success=\"\($0.succeeded)\",version=\"v3\""
        }
        page.histogram("etcd_server_request_duration_seconds", requests) {
            "success=\"\($0.succeeded)\",type=\"\($0.type.name)\""
        }
        page.histogram("etcd_server_range_duration_seconds", ranges) { "success=\"\($0)\"" }
        page.counter("etcd_debugging_server_lease_expired_total", leasesExpired)
        page.counter("etcd_debugging_lease_granted_total", leasesGranted)
        page.counter("etcd_debugging_lease_revoked_total", leasesRevoked)
        page.counter("etcd_debugging_lease_renewed_total", leasesRenewed)
        page.histogram("etcd_debugging_lease_ttl_total", leaseTTL)
    }

    private func disk(_ page: inout MetricPage, _ member: MemberLoop) {
        let files = member.diskMeter.all
        page.histogram("etcd_disk_wal_fsync_duration_seconds", files.walSync)
        page.histogram("etcd_disk_wal_write_duration_seconds", files.walWrite)
        page.gauge("etcd_disk_wal_write_bytes_total", walBytes)
        page.histogram("etcd_disk_backend_commit_duration_seconds", backendCommit)
        let commit = "etcd_debugging_disk_backend_commit_"
        page.histogram(commit + "rebalance_duration_seconds", commitRebalance)
        page.histogram(commit + "spill_duration_seconds", commitSpill)
        page.histogram(commit + "write_duration_seconds", commitWrite)
        page.histogram("etcd_disk_backend_defrag_duration_seconds", defragmentation)
        page.histogram(
            "etcd_disk_backend_snapshot_duration_seconds", backendSnapshot)
        page.gauge("etcd_disk_defrag_inflight", isDefragmenting ? 1 : 0)
        page.histogram("etcd_debugging_snap_save_total_duration_seconds", files.snapshotTotal)
        page.histogram("etcd_debugging_snap_save_marshalling_duration_seconds", files.snapshotMarshalling)
        page.histogram("etcd_snap_fsync_duration_seconds", files.snapshotWrite)
        page.histogram("etcd_snap_db_fsync_duration_seconds", files.databaseSync)
        page.histogram("etcd_snap_db_save_total_duration_seconds", files.databaseTotal)
    }

    private func store(_ page: inout MetricPage, _ member: MemberLoop) {
        let view = member.view
        page.gauge("etcd_mvcc_db_total_size_in_bytes", member.statistics.sizeBytes)
        page.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", member.statistics.sizeInUseBytes)
        page.gauge("etcd_mvcc_db_open_read_transactions", member.statistics.openReadTransactions)
        page.counter("etcd_mvcc_put_total", puts)
        page.counter("etcd_mvcc_delete_total", deletes)
        page.counter("etcd_mvcc_range_total", rangesDone)
        page.counter("etcd_mvcc_txn_total", transactions)
        page.histogram("etcd_mvcc_hash_duration_seconds", hash)
        page.histogram("etcd_mvcc_hash_rev_duration_seconds", hashAtRevision)
        page.gauge("etcd_debugging_mvcc_keys_total", view.liveCount(KeyRange(key: [0], end: [0])))
        page.gauge("etcd_debugging_mvcc_current_revision", view.latestRevision)
        page.gauge("etcd_debugging_mvcc_compact_revision", view.compactRevision)
        page.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", putBytes)
        page.counter("etcd_debugging_mvcc_events_total", member.lane.watches.eventsSent)
        page.gauge("etcd_debugging_mvcc_watch_stream_total", member.lane.watches.streamCount)
        page.gauge("etcd_debugging_mvcc_watcher_total", member.lane.watches.watcherCount)
        page.gauge("etcd_debugging_mvcc_slow_watcher_total", member.lane.watches.slowCount)
        page.gauge("etcd_debugging_mvcc_pending_events_total", member.lane.watches.pendingEvents)
        page.counter("etcd_debugging_mvcc_db_compaction_keys_total", member.replica.apply.compactedRows)
        page.gauge("etcd_debugging_mvcc_db_compaction_last", compactedAt)
        page.histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", compactionPause)
        page.histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", compactionTotal)
        page.histogram(
            "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", indexCompactionPause)
        let delivery = "etcd_debugging_server_watch_send_loop_"
        page.histogram(delivery + "watch_stream_duration_seconds", watchDelivery)
        page.histogram(delivery + "watch_stream_duration_per_event_seconds", watchDeliveryPerEvent)
        page.histogram(delivery + "control_stream_duration_seconds", watchControl)
        page.histogram(delivery + "progress_duration_seconds", watchProgress)
    }

    private func calls(_ page: inout MetricPage, _ member: MemberLoop) {
        let statistics = member.door.statistics
        func labels(_ rpc: RPC) -> String {
            let definition = rpc.definition
            let type =
                switch definition.streaming {
                case .unary: "unary"
                case .serverStreaming: "server_stream"
                case .bidirectional: "bidi_stream"
                }
            return "grpc_method=\"\(definition.method)\",grpc_service=\"\(definition.service)\",grpc_type=\"\(type)\""
        }
        // Locks and elections are shown from their first call on, as etcd does.
        let all = RPC.allCases.filter { Self.isAlwaysShown($0) || statistics.started($0) > 0 }.sorted { labels($0) < labels($1) }
        func family(_ name: String, _ count: (RPC) -> UInt64) {
            page.family(name, "counter", all.map { (labels($0), Double(count($0))) })
        }
        family("grpc_server_started_total", statistics.started(_:))
        family("grpc_server_msg_received_total", statistics.messagesReceived(_:))
        family("grpc_server_msg_sent_total", statistics.messagesSent(_:))
        page.family(
            "grpc_server_handled_total", "counter",
            all.flatMap { rpc in
                GRPCStatusCode.allCases.filter { Self.isAlwaysShown(rpc) || statistics.handled(rpc, code: $0.rawValue) > 0 }.map { code in
                    ("grpc_code=\"\(code.name)\",\(labels(rpc))", Double(statistics.handled(rpc, code: code.rawValue)))
                }
            })
        if member.configuration.monitoring.extensiveMetrics {
            for rpc in all { handling.prepare(rpc) }
            page.histogram("grpc_server_handling_seconds", handling, labels: labels)
        }
        page.counter("etcd_network_client_grpc_sent_bytes_total", statistics.bytesSent)
        page.counter("etcd_network_client_grpc_received_bytes_total", statistics.bytesReceived)
        page.family(
            "etcd_server_client_requests_total", "counter", statistics.clientsByVersion.flatMap { client in
                let version = "client_api_version=\"\(client.version.filter { $0 != "\"" && $0 != "\\" && !$0.isNewline })\""
                return [("stream", client.streams), ("unary", client.unary)].filter { $0.1 > 0 }
                    .map { ("\(version),type=\"\($0.0)\"", Double($0.1)) }
            })
        page.gauge("promhttp_metric_handler_requests_in_flight", 1)
        page.family(
            "promhttp_metric_handler_requests_total", "counter",
            [("code=\"200\"", Double(pages - 1)), ("code=\"500\"", 0), ("code=\"503\"", 0)])
    }

    private static func isAlwaysShown(_ rpc: RPC) -> Bool {
        let service = rpc.definition.service
        return service.hasPrefix("etcdserverpb.") || service == "grpc.health.v1.Health"
    }

    /// Of parts that a member does not run; etcd shows them all the same, and dashboards ask for them.
    private func unused(_ page: inout MetricPage) {
        for name in ["expires_total", "watch_requests_total"] { page.counter("etcd_debugging_store_\(name)", 0) }
        page.family("etcd_debugging_store_reads_total", "counter", [("action=\"getRecursive\"", 0)])
        page.family("etcd_debugging_store_writes_total", "counter", ["create", "set"].map { ("action=\"\($0)\"", 0) })
        page.gauge("etcd_debugging_store_watchers", 0)
        for name in ["cache_hits_total", "cache_keys_total", "cache_misses_total", "watchers_coalescing_total"] {
            page.gauge("etcd_grpc_proxy_\(name)", 0)
        }
        page.counter("etcd_grpc_proxy_events_coalescing_total", 0)
    }

    private func process(_ page: inout MetricPage) {
        page.gauge("process_start_time_seconds", started)
        guard let usage = ProcessUsage() else { return }
        page.counter("process_cpu_seconds_total", usage.cpuSeconds)
        page.gauge("process_resident_memory_bytes", usage.residentBytes)
        page.gauge("process_virtual_memory_bytes", usage.virtualBytes)
        page.gauge("process_virtual_memory_max_bytes", usage.virtualBytesMax)
        page.gauge("process_open_fds", usage.openFiles)
        page.gauge("process_max_fds", usage.openFilesMax)
        page.gauge("os_fd_used", usage.openFiles)
        page.gauge("os_fd_limit", usage.openFilesMax)
        page.counter("process_network_receive_bytes_total", usage.networkReceived)
        page.counter("process_network_transmit_bytes_total", usage.networkSent)
    }

    private var swiftVersion: String { "swift6.3" }
}

/// What the system says of this process.
private struct ProcessUsage {
    var cpuSeconds: Double
    var residentBytes: Int
    var virtualBytes: Int
    /// Infinite where there is no limit.
    var virtualBytesMax: Double
    var openFiles: Int
    var openFilesMax: UInt64
    var networkReceived: UInt64 = 0
    var networkSent: UInt64 = 0

    init?() {
        guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let tail = stat.split(separator: ")").last
        else { return nil }
        let fields = tail.split(separator: " ")
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let size = Int(fields[20]),
            let pages = Int(fields[21])
        else { return nil }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        virtualBytes = size
        residentBytes = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
        openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        openFilesMax = UInt64(Self.limit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue)) ?? 0)
        virtualBytesMax = Self.limit(__rlimit_resource_t(RLIMIT_AS.rawValue)).map(Double.init) ?? Double(UInt64.max)
        guard let network = try? String(contentsOfFile: "/proc/self/net/netstat", encoding: .utf8) else { return }
        let lines = network.split(separator: "\n").filter { $0.hasPrefix("IpExt:") }.map { $0.split(separator: " ") }
        guard lines.count == 2 else { return }
        for (name, value) in zip(lines[0], lines[1]) {
            if name == "InOctets" { networkReceived = UInt64(value) ?? 0 }
            if name == "OutOctets" { networkSent = UInt64(value) ?? 0 }
        }
    }

    private static func limit(_ resource: __rlimit_resource_t) -> UInt64? {
        var limits = rlimit()
        // The largest number stands for no limit.
        guard getrlimit(resource, &limits) == 0, limits.rlim_cur != .max else { return nil }
        return UInt64(limits.rlim_cur)
    }
}
