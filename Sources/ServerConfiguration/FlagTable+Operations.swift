// The flags of running a member: monitoring, logging, tracing, upkeep and the dangerous ones; and the flags that
// old command lines may still carry.

extension FlagTable {
    static let operations: [FlagDefinition] = [
        .init(
            "enable-pprof",
            .bool(\.monitoring.enablePprof),
            .profiling,
            "Serve profiling data at the client URL under /debug/pprof/."
        ),
        .init("metrics", .string(\.monitoring.metrics), .profiling, "'basic', or 'extensive' for histograms per call."),
        .init(
            "listen-metrics-urls",
            .urls(\.listen.metricsURLs),
            .profiling,
            "Further URLs to serve /metrics and /health on."
        ),
        .init("logger", .string(\.logging.logger), .logging, "Only 'zap': structured lines."),
        .init(
            "log-outputs",
            .uniqueStrings(\.logging.outputs),
            .logging,
            "Where lines go: 'default', 'stdout', 'stderr' or files, separated by commas."
        ),
        .init("log-level", .string(\.logging.levelText), .logging, "debug, info, warn, error, panic or fatal."),
        .init("log-format", .string(\.logging.formatText), .logging, "json or console."),
        .init(
            "enable-log-rotation",
            .bool(\.logging.enableRotation),
            .logging,
            "Set the log file aside when it grows too big; needs one file in --log-outputs."
        ),
        .init(
            "log-rotation-config-json",
            .string(\.logging.rotationJSON),
            .logging,
            "How: maxsize in MB, maxage in days, maxbackups in files (0 means no limit), localtime, compress."
        ),
        .init(
            "warning-unary-request-duration",
            .duration(\.requests.warningUnaryRequestDuration),
            .logging,
            "Log requests that take longer than this."
        ),
        .init(
            "enable-distributed-tracing",
            .bool(\.tracing.enabled),
            .tracing,
            "Send traces to an OpenTelemetry collector."
        ),
        .init("distributed-tracing-address", .string(\.tracing.address), .tracing, "Address of the collector."),
        .init(
            "distributed-tracing-service-name",
            .string(\.tracing.serviceName),
            .tracing,
            "Service name in traces, the same on all members."
        ),
        .init(
            "distributed-tracing-instance-id",
            .string(\.tracing.instanceID),
            .tracing,
            "Instance in traces, different on each member."
        ),
        .init(
            "distributed-tracing-sampling-rate",
            .int(\.tracing.samplingRatePerMillion),
            .tracing,
            "Traces to send of each million."
        ),
        .init(
            "corrupt-check-time",
            .duration(\.monitoring.corruptCheckTime),
            .features,
            "Interval at which members compare their data (0 turns it off)."
        ),
        .init(
            "compact-hash-check-time",
            .duration(\.monitoring.compactHashCheckTime),
            .features,
            "Interval at which the leader compares hashes of compactions."
        ),
        .init(
            "compaction-batch-limit",
            .int(\.storage.compactionBatchLimitSetting),
            .features,
            "Revisions deleted in one step of a compaction (0 means 1000)."
        ),
        .init(
            "compaction-sleep-interval",
            .duration(\.storage.compactionSleepIntervalSetting),
            .features,
            "Pause between two steps of a compaction (0 means 10ms)."
        ),
        .init(
            "watch-progress-notify-interval",
            .duration(\.requests.watchProgressNotifyIntervalSetting),
            .features,
            "Interval of progress notices to idle watchers (0 means 10m)."
        ),
        .init(
            "warning-apply-duration",
            .duration(\.requests.warningApplyDuration),
            .features,
            "Log applied requests that take longer than this."
        ),
        .init(
            "bootstrap-defrag-threshold-megabytes",
            .uint(\.storage.bootstrapDefragThresholdMegabytes),
            .features,
            "Defragment at start if that frees at least this much (0 turns it off)."
        ),
        .init("max-learners", .int(\.cluster.maxLearners), .features, "Most learners the cluster may have."),
        .init(
            "downgrade-check-time",
            .duration(\.cluster.downgradeCheckTime),
            .features,
            "Interval at which the state of a downgrade is checked."
        ),
        .init(
            "snapshot-catchup-entries",
            .uint64(\.raft.snapshotCatchUpEntries),
            .features,
            "Log entries kept behind a snapshot for slow followers."
        ),
        .init(
            "force-new-cluster",
            .bool(\.cluster.forceNewCluster),
            .unsafe,
            "Make a cluster of this member alone out of its data."
        ),
        .init(
            "unsafe-no-fsync",
            .bool(\.storage.unsafeNoFsync),
            .unsafe,
            "Never force data to the disk; a power failure loses data."
        ),
        // For tests: five minutes are too long to wait for.
        .init("lease-checkpoint-interval", .duration(\.storage.leaseCheckpointInterval), .hidden, file: .none, ""),
        .init("config-file", .configFile, .hidden, file: .none, "File with all settings."),
        .init("version", .version, .hidden, file: .none, "Print the version."),
    ]

    static let ignored: [FlagDefinition] = [
        "cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force",
        "max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout",
        "retry-interval", "snapshot", "v", "vv", "test.coverprofile", "test.outputdir",
    ]
    .map { .init($0, .ignored, .hidden, file: .none, "") }
}
