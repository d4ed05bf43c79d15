// Asks a peer again and again how it is, for the round-trip time and the difference of the clocks, and tells the log.

import Base
import NIOCore
import NIOHTTP1

final class Prober {
    /// etcd probes over the connections of the streams and over those of the posts; the log tells which.
    enum Kind: String, CaseIterable {
        case snapshot = "ROUND_TRIPPER_SNAPSHOT"
        case message = "ROUND_TRIPPER_RAFT_MESSAGE"
    }

    /// Beyond this, leases and certificates suffer.
    private static let clockDriftMax = 1.0

    let kind: Kind
    private let peer: Peer
    private(set) var status = ProbeStatus()
    private var probe: Scheduled<Void>?
    private var report: Scheduled<Void>?
    private var picker: URLPicker
    /// Counts starts, so that answers to earlier probes are passed over.
    private var generation = 0

    init(_ kind: Kind, _ peer: Peer) {
        self.kind = kind
        self.peer = peer
        picker = URLPicker(peer.picker.urls)
    }

    func start() {
        scheduleReport()
        ask()
    }

    func stop() {
        generation += 1
        probe?.cancel()
        report?.cancel()
    }

    func restart() {
        stop()
        status = ProbeStatus()
        picker = URLPicker(peer.picker.urls)
        start()
    }

    private func ask() {
        let url = picker.picked
        let begun = NIODeadline.now()
        let current = generation
        probe = peer.loop.assumeIsolated().scheduleTask(in: peer.settings.probeInterval) { [weak self] in self?.ask() }
        peer.transport.client.request(
            "GET", url, path: "/raft/probing", headers: [:], body: Bytes(), timeout: peer.settings.readTimeout
        ) { [weak self] result in
            guard let self, current == generation else { return }
            answered(result, url, begun)
        }
    }

    private func answered(_ result: Result<PeerResponse, any Error>, _ url: PeerURL, _ begun: NIODeadline) {
        switch result {
        case .success(let answer) where answer.status == 200:
            if let probe = ProbeAnswer(answer.body), probe.isHealthy {
                let took = Double((NIODeadline.now() - begun).nanoseconds) / 1e9
                return status.record(roundTripSeconds: took, remote: probe.now, local: wallTime())
            }
            status.recordFailure("")
        case .success(let answer): status.recordFailure("got unexpected HTTP status code \(answer.status) from \(url)/raft/probing")
        case .failure(let error): status.recordFailure(PeerRequestError(error).description)
        }
        picker.failed(url)
    }

    private func scheduleReport() {
        let interval = status.isHealthy ? peer.settings.probeQuietInterval : peer.settings.probeReportInterval
        report = peer.loop.assumeIsolated().scheduleTask(in: interval) { [weak self] in self?.tell() }
    }

    private func tell() {
        if !status.isHealthy { log("prober detected unhealthy status") }
        if status.clockDifferenceSeconds > Self.clockDriftMax { log("prober found high clock drift", withDrift: true) }
        peer.transport.delegate?.observe(.roundTrip(to: peer.id, status.smoothedRoundTripSeconds))
        scheduleReport()
    }

    private func log(_ message: String, withDrift: Bool = false) {
        var line = PeerLogLine(.warning, message, ["round-tripper-name": .text(kind.rawValue), "remote-peer-id": .id(peer.id)])
        if withDrift { line.fields.append(("clock-drift", .seconds(status.clockDifferenceSeconds))) }
        line.fields.append(("rtt", .seconds(status.smoothedRoundTripSeconds)))
        if !status.reason.isEmpty { line.fields.append(("error", .text(status.reason))) }
        peer.transport.log(line)
    }
}
