// What goes between members, on the metrics page.

import Base
import Metrics
import PeerTransport

extension MemberMetrics {
    func note(_ measurement: PeerMeasurement) {
        switch measurement {
        case .roundTrip(let id, let seconds): roundTrips.observe(id, seconds)
        case .snapshotSent(let id, let seconds):
            snapshotsSent.observe(id, seconds)
            noteSnapshot(seconds: seconds)
        case .snapshotReceived(let id, let seconds): snapshotsReceived.observe(id, seconds)
        }
    }

    func peers(_ page: inout MetricPage, _ member: MemberLoop) {
        guard let transport = member.transport else { return }
        let local = hexadecimal(member.memberID)
        let counters = transport.counters.sorted { $0.key < $1.key }.map { (id: hexadecimal($0.key), counters: $0.value) }
        let active = transport.peerIDs.map { id in
            ("Local=\"\(local)\",Remote=\"\(hexadecimal(id))\"", transport.activeSince(id) == nil ? 0.0 : 1.0)
        }
        if !active.isEmpty { page.family("etcd_network_active_peers", "gauge", active) }
        let lost = counters.filter { $0.counters.disconnects > 0 }
        if !lost.isEmpty {
            page.family(
                "etcd_network_disconnected_peers_total", "counter",
                lost.map { ("Local=\"\(local)\",Remote=\"\($0.id)\"", Double($0.counters.disconnects)) })
        }
        /// - Parameter isKnown: whether there is a row; without one if there is something to count.
        func family(
            _ name: String, _ type: String, _ label: String, isKnown: ((PeerCounters) -> Bool)? = nil,
            _ value: (PeerCounters) -> UInt64
        ) {
            let rows = counters.filter { isKnown?($0.counters) ?? (value($0.counters) > 0) }.map { ("\(label)=\"\($0.id)\"", Double(value($0.counters))) }
            if !rows.isEmpty { page.family(name, type, rows) }
        }
        family("etcd_network_peer_sent_bytes_total", "counter", "To") { $0.sentBytes }
        family("etcd_network_peer_received_bytes_total", "counter", "From") { $0.receivedBytes }
        family("etcd_network_peer_sent_failures_total", "counter", "To") { $0.sentFailures }
        family("etcd_network_peer_received_failures_total", "counter", "From") {
            $0.receivedFailures
        }
        family("etcd_network_snapshot_send_success", "counter", "To") { $0.snapshotsSent }
        family("etcd_network_snapshot_send_failures", "counter", "To") { $0.snapshotSendFailures }
        family("etcd_network_snapshot_send_inflights_total", "gauge", "To",
            isKnown: { $0.snapshotsSent + $0.snapshotSendFailures + $0.snapshotsBeingSent > 0 },
            { $0.snapshotsBeingSent })
        family("etcd_network_snapshot_receive_success", "counter", "From") { $0.snapshotsReceived }
        family("etcd_network_snapshot_receive_failures", "counter", "From") {
            $0.snapshotReceiveFailures
        }
        family("etcd_network_snapshot_receive_inflights_total", "gauge", "From",
            isKnown: { $0.snapshotsReceived + $0.snapshotReceiveFailures + $0.snapshotsBeingReceived > 0 },
            { $0.snapshotsBeingReceived })
        page.histogram("etcd_network_peer_round_trip_time_seconds", roundTrips) {
            "To=\"\(hexadecimal($0))\""
        }
        page.histogram("etcd_network_snapshot_send_total_duration_seconds", snapshotsSent) {
            "To=\"\(hexadecimal($0))\""
        }
        page.histogram("etcd_network_snapshot_receive_total_duration_seconds", snapshotsReceived) {
            "From=\"\(hexadecimal($0))\""
        }
    }
}
