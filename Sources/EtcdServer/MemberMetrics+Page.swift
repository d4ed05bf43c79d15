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
        var page = MetricPage()
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
        page.gauge("etcd_server_has_leader", "1 if a leader is known, else 0.", raft.lead == 0 ? 0 : 1)
        page.gauge("etcd_server_is_leader", "1 on the leader, else 0.", raft.role == .leader ? 1 : 0)
        page.gauge("etcd_server_is_learner", "1 on a learner, else 0.", member.membership.isLocalLearner ? 1 : 0)
        page.counter("etcd_server_leader_changes_seen_total", "Changes of leader seen.", member.monitors.leaderChanges)
        page.counter("etcd_server_learner_promote_successes", "Promotions of learners that succeeded here as leader.", promotions)
        page.family(
            "etcd_server_learner_promote_failures", "counter", "Promotions of learners that failed here as leader.",
            promotionFailures.sorted { $0.key < $1.key }.map { ("Reason=\"\($0.key)\"", $0.value) })
        page.counter("etcd_server_heartbeat_send_failures_total", "Heartbeats that the leader sent late.", lateHeartbeats)
        page.gauge(
            "etcd_server_snapshot_apply_in_progress_total", "1 while a received snapshot is applied.", member.replica.isInstalling ? 1 : 0)
        page.gauge("etcd_server_proposals_committed_total", "Proposals committed.", raft.commit)
        page.gauge("etcd_server_proposals_applied_total", "Proposals applied.", member.appliedIndex)
        page.gauge("etcd_server_proposals_pending", "Proposals under way.", proposalsPending)
        page.counter("etcd_server_proposals_failed_total", "Proposals that failed.", proposalsFailed)
        page.counter("etcd_server_slow_apply_total", "Requests that were slow to apply.", slowApplies)
        page.counter("etcd_server_slow_read_indexes_total", "Read indexes that took long.", slowBarriers)
        page.counter("etcd_server_read_indexes_failed_total", "Read indexes that failed.", failedBarriers)
        page.gauge(
            "etcd_server_quota_backend_bytes", "Quota of the backend, in bytes.",
            Int(member.configuration.storage.effectiveQuotaBytes ?? 0))
        page.family("etcd_server_version", "gauge", "Version of the server; always 1.", [("server_version=\"\(SemanticVersion.server)\"", 1)])
        page.family(
            "etcd_server_go_version", "gauge", "Version of the runtime; always 1.", [("server_go_version=\"\(swiftVersion)\"", 1)])
        page.family("etcd_server_id", "gauge", "Identifier of the member; always 1.", [("server_id=\"\(hexadecimal(member.memberID))\"", 1)])
        page.family(
            "etcd_server_feature_enabled", "gauge", "1 for a feature gate that is on, else 0.",
            FeatureGate.allCases.map { gate in
                ("name=\"\(gate.rawValue)\",stage=\"\(gate.maturity.rawValue)\"", member.configuration.featureGates.isEnabled(gate) ? 1 : 0)
            })
        if let version = member.membership.clusterVersion {
            page.family(
                "etcd_cluster_version", "gauge", "Version of the cluster; always 1.", [("cluster_version=\"\(version.minorDescription)\"", 1)])
        }
        page.family(
            "etcd_network_known_peers", "gauge", "Peers that are members.",
            member.membership.members
                .map { ("Local=\"\(hexadecimal(member.memberID))\",Remote=\"\(hexadecimal($0.id))\"", 1) })
        page.family(
            "etcd_debugging_server_alarms", "gauge", "Alarms that are raised.",
            member.alarms.members.map { ("alarm_type=\"\($0.alarm.name)\",server_id=\"\(hexadecimal($0.memberID))\"", 1) })
        page.gauge("etcd_debugging_auth_revision", "Revision of users, roles and permissions.", member.authRevision)
        page.counter("etcd_server_health_success", "Health checks passed.", member.door.healthSuccesses)
        page.counter("etcd_server_health_failures", "Health checks failed.", member.door.healthFailures)
        page.histogram("etcd_server_apply_duration_seconds", "Time to apply a request.", apply) {
            "op=\"\($0.kind?.metricName ?? "unknown")\",success=\"\($0.succeeded)\",version=\"v3\""
        }
        page.histogram("etcd_server_request_duration_seconds", "Time from a request's arrival to its answer.", requests) {
            "success=\"\($0.succeeded)\",type=\"\($0.type.name)\""
        }
        page.histogram("etcd_server_range_duration_seconds", "Time to read a range.", ranges) { "success=\"\($0)\"" }
        page.counter("etcd_debugging_server_lease_expired_total", "Leases that ran out.", leasesExpired)
        page.counter("etcd_debugging_lease_granted_total", "Leases granted.", leasesGranted)
        page.counter("etcd_debugging_lease_revoked_total", "Leases revoked.", leasesRevoked)
        page.counter("etcd_debugging_lease_renewed_total", "Renewals of leases.", leasesRenewed)
        page.histogram("etcd_debugging_lease_ttl_total", "TTL of granted leases, in seconds.", leaseTTL)
    }

    private func disk(_ page: inout MetricPage, _ member: MemberLoop) {
        let files = member.diskMeter.all
        page.histogram("etcd_disk_wal_fsync_duration_seconds", "Time of a sync of the WAL.", files.walSync)
        page.histogram("etcd_disk_wal_write_duration_seconds", "Time of a write to the WAL.", files.walWrite)
        page.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the WAL.", walBytes)
        page.histogram("etcd_disk_backend_commit_duration_seconds", "Time of a commit of the backend.", backendCommit)
        let commit = "etcd_debugging_disk_backend_commit_"
        page.histogram(commit + "rebalance_duration_seconds", "Time of joining small pages in a commit.", commitRebalance)
        page.histogram(commit + "spill_duration_seconds", "Time of cutting large pages in a commit.", commitSpill)
        page.histogram(commit + "write_duration_seconds", "Time of writing and syncing in a commit.", commitWrite)
        page.histogram("etcd_disk_backend_defrag_duration_seconds", "Time of a defragmentation.", defragmentation)
        page.histogram(
            "etcd_disk_backend_snapshot_duration_seconds", "Time of a snapshot of the backend, its transfer included.", backendSnapshot)
        page.gauge("etcd_disk_defrag_inflight", "1 while a defragmentation is under way.", isDefragmenting ? 1 : 0)
        page.histogram("etcd_debugging_snap_save_total_duration_seconds", "Time to save a snapshot.", files.snapshotTotal)
        page.histogram("etcd_debugging_snap_save_marshalling_duration_seconds", "Time to encode a snapshot.", files.snapshotMarshalling)
        page.histogram("etcd_snap_fsync_duration_seconds", "Time to write and sync a snapshot file.", files.snapshotWrite)
        page.histogram("etcd_snap_db_fsync_duration_seconds", "Time to make a received database durable.", files.databaseSync)
        page.histogram("etcd_snap_db_save_total_duration_seconds", "Time to receive and save a database.", files.databaseTotal)
    }

    private func store(_ page: inout MetricPage, _ member: MemberLoop) {
        let view = member.view
        page.gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the backend's file.", member.statistics.sizeBytes)
        page.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the backend's file in use.", member.statistics.sizeInUseBytes)
        page.gauge("etcd_mvcc_db_open_read_transactions", "Open read transactions.", member.statistics.openReadTransactions)
        page.counter("etcd_mvcc_put_total", "Puts of this member.", puts)
        page.counter("etcd_mvcc_delete_total", "Deletes of this member.", deletes)
        page.counter("etcd_mvcc_range_total", "Ranges of this member.", rangesDone)
        page.counter("etcd_mvcc_txn_total", "Transactions of this member.", transactions)
        page.histogram("etcd_mvcc_hash_duration_seconds", "Time of a hash of the backend.", hash)
        page.histogram("etcd_mvcc_hash_rev_duration_seconds", "Time of a hash at a revision.", hashAtRevision)
        page.gauge("etcd_debugging_mvcc_keys_total", "Keys.", view.liveCount(KeyRange(key: [0], end: [0])))
        page.gauge("etcd_debugging_mvcc_current_revision", "Current revision.", view.latestRevision)
        page.gauge("etcd_debugging_mvcc_compact_revision", "Revision of the last compaction.", view.compactRevision)
        page.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of all puts.", putBytes)
        page.counter("etcd_debugging_mvcc_events_total", "Events of this member.", events)
        page.gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.", member.lane.watches.streamCount)
        page.gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", member.lane.watches.watcherCount)
        page.gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that are behind.", member.lane.watches.slowCount)
        page.gauge("etcd_debugging_mvcc_pending_events_total", "Events on their way to watchers.", member.lane.watches.pendingEvents)
        page.counter("etcd_debugging_mvcc_db_compaction_keys_total", "Rows that compactions removed.", member.replica.apply.compactedRows)
        page.gauge("etcd_debugging_mvcc_db_compaction_last", "When the last compaction ended, in seconds of 1970.", compactedAt)
        page.histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", "Time of a slice of compaction.", compactionPause)
        page.histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", "Time of a compaction.", compactionTotal)
        page.histogram(
            "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", "Time of the index's part in a slice.", indexCompactionPause)
        let delivery = "etcd_debugging_server_watch_send_loop_"
        page.histogram(delivery + "watch_stream_duration_seconds", "Time to hand events to watchers.", watchDelivery)
        page.histogram(delivery + "watch_stream_duration_per_event_seconds", "The same, for each event.", watchDeliveryPerEvent)
        page.histogram(delivery + "control_stream_duration_seconds", "Time to answer requests on watch streams.", watchControl)
        page.histogram(delivery + "progress_duration_seconds", "Time to send due notices of progress.", watchProgress)
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
        let all = RPC.allCases.sorted { labels($0) < labels($1) }
        func family(_ name: String, _ help: String, _ count: (RPC) -> UInt64) {
            page.family(name, "counter", help, all.map { (labels($0), Double(count($0))) })
        }
        family("grpc_server_started_total", "RPCs begun.", statistics.started(_:))
        family("grpc_server_msg_received_total", "Messages of RPCs received.", statistics.messagesReceived(_:))
        family("grpc_server_msg_sent_total", "Messages of RPCs sent.", statistics.messagesSent(_:))
        page.family(
            "grpc_server_handled_total", "counter", "RPCs done, whatever their outcome.",
            all.flatMap { rpc in
                GRPCStatusCode.allCases.map { code in
                    ("grpc_code=\"\(code.name)\",\(labels(rpc))", Double(statistics.handled(rpc, code: code.rawValue)))
                }
            })
        if member.configuration.monitoring.extensiveMetrics {
            for rpc in all { handling.prepare(rpc) }
            page.histogram("grpc_server_handling_seconds", "Time from an RPC's beginning to its end.", handling, labels: labels)
        }
        page.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes sent to clients.", statistics.bytesSent)
        page.counter("etcd_network_client_grpc_received_bytes_total", "Bytes received from clients.", statistics.bytesReceived)
        page.family(
            "etcd_server_client_requests_total", "counter", "Requests by what clients say of their version.",
            statistics.clientsByVersion.flatMap { client in
                let version = "client_api_version=\"\(client.version.filter { $0 != "\"" && $0 != "\\" && !$0.isNewline })\""
                return [("stream", client.streams), ("unary", client.unary)].filter { $0.1 > 0 }
                    .map { ("\(version),type=\"\($0.0)\"", Double($0.1)) }
            })
        page.gauge("promhttp_metric_handler_requests_in_flight", "Requests for this page under way.", 1)
        page.family(
            "promhttp_metric_handler_requests_total", "counter", "Requests for this page.",
            [("code=\"200\"", Double(pages - 1)), ("code=\"500\"", 0), ("code=\"503\"", 0)])
    }

    /// Of parts that a member does not run; etcd shows them all the same, and dashboards ask for them.
    private func unused(_ page: inout MetricPage) {
        for name in ["expires_total", "watch_requests_total"] {
            page.counter("etcd_debugging_store_\(name)", "Of the v2 store, which is gone.", 0)
        }
        page.family(
            "etcd_debugging_store_reads_total", "counter", "Of the v2 store, which is gone.",
            ["getRecursive"].map { ("action=\"\($0)\"", 0) })
        page.family(
            "etcd_debugging_store_writes_total", "counter", "Of the v2 store, which is gone.", ["create", "set"].map { ("action=\"\($0)\"", 0) })
        page.gauge("etcd_debugging_store_watchers", "Of the v2 store, which is gone.", 0)
        for name in ["cache_hits_total", "cache_keys_total", "cache_misses_total", "watchers_coalescing_total"] {
            page.gauge("etcd_grpc_proxy_\(name)", "Of the gRPC proxy.", 0)
        }
        page.counter("etcd_grpc_proxy_events_coalescing_total", "Of the gRPC proxy.", 0)
    }

    private func process(_ page: inout MetricPage) {
        page.gauge("process_start_time_seconds", "When the process began, in seconds of 1970.", started)
        guard let usage = ProcessUsage() else { return }
        page.counter("process_cpu_seconds_total", "User and system time.", usage.cpuSeconds)
        page.gauge("process_resident_memory_bytes", "Resident memory.", usage.residentBytes)
        page.gauge("process_virtual_memory_bytes", "Virtual memory.", usage.virtualBytes)
        page.gauge("process_virtual_memory_max_bytes", "Limit of virtual memory.", usage.virtualBytesMax)
        page.gauge("process_open_fds", "Open file descriptors.", usage.openFiles)
        page.gauge("process_max_fds", "Limit of open file descriptors.", usage.openFilesMax)
        page.gauge("os_fd_used", "Open file descriptors.", usage.openFiles)
        page.gauge("os_fd_limit", "Limit of open file descriptors.", usage.openFilesMax)
        page.counter("process_network_receive_bytes_total", "Bytes received over the network.", usage.networkReceived)
        page.counter("process_network_transmit_bytes_total", "Bytes sent over the network.", usage.networkSent)
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
