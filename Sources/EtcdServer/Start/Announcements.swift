// What a member tells of itself before its first election.

import Base
import Membership
import ServerConfiguration
import ServerLog
import StateMachine

extension MemberLoop {
    /// The lines between bootstrap and the first election.
    func announce() {
        let id = LogField.string("local-member-id", hexadecimal(memberID))
        announceQuota()
        logger.info(
            "starting etcd server",
            [
                id, .string("local-server-version", SemanticVersion.server.description),
                .string("cluster-version", membership.clusterVersion?.minorDescription ?? "to_be_decided"),
            ])
        func texts(_ urls: [EndpointURL]) -> [String] { urls.map(\.description) }
        let listen = configuration.listen
        logger.info(
            "now serving peer/client/metrics",
            [
                id, .strings("initial-advertise-peer-urls", texts(listen.advertisePeerURLs)),
                .strings("listen-peer-urls", texts(listen.peerURLs)),
                .strings("advertise-client-urls", texts(listen.advertiseClientURLs)),
                .strings("listen-client-urls", texts(listen.clientURLs)),
                .strings("listen-metrics-urls", texts(listen.metricsURLs)),
            ])
        for url in listen.peerURLs {
            logger.info("serving peer traffic", [.string("address", url.host)])
            logger.info("cmux::serve", [.string("address", url.host)])
        }
        for (directory, suffix, keep) in [
            (configuration.snapshotDirectory, "snap.db", configuration.raft.maxSnapshots),
            (configuration.snapshotDirectory, "snap", configuration.raft.maxSnapshots),
            (configuration.effectiveWALDirectory, "wal", configuration.raft.maxWALs),
        ] where keep > 0 {
            logger.info(
                "started to purge file",
                [
                    .string("dir", directory), .string("suffix", suffix), .uint("max", keep),
                    .duration("interval", Duration.seconds(30)),
                ])
        }
    }

    private func announceQuota() {
        let storage = configuration.storage
        let quota = storage.effectiveQuotaBytes ?? 0
        func size(_ key: String, _ bytes: Int64) -> [LogField] {
            [.int("\(key)-bytes", bytes), .string(key, humanizedBytes(UInt64(max(0, bytes))))]
        }
        let fields: [LogField] = [.string("quota-name", "v3-applier")]
        if quota <= 0 {
            logger.info("disabled backend quota", fields + [.int("quota-size-bytes", quota)])
        } else if storage.quotaBackendBytes == 0 {
            logger.info("enabled backend quota with default value", fields + size("quota-size", quota))
        } else {
            if quota > StorageConfiguration.suggestedQuotaBytesMaximum {
                logger.warn(
                    "quota exceeds the maximum value",
                    fields + size("quota-size", quota)
                        + size("quota-maximum-size", StorageConfiguration.suggestedQuotaBytesMaximum))
            }
            logger.info("enabled backend quota", fields + size("quota-size", quota))
        }
    }
}
