// The members of a new cluster as the domain's SRV records name them (`--discovery-srv`).

import FoundationEssentials
import ServerConfiguration
import ServiceLookup
import TransportSecurity

enum ServiceRecords {
    // MARK: A cluster

    /// `name=url` for each record of both services, as `--initial-cluster` has them. The record whose address is one of
    /// ours carries our name, the others numbers.
    static func initialCluster(_ configuration: ServerConfiguration) throws -> [String] {
        let discovery = configuration.cluster.discovery
        let suffix = discovery.srvServiceName.isEmpty ? "" : "-\(discovery.srvServiceName)"
        let own = configuration.listen.advertisePeerURLs.flatMap { url in
            addresses(url.hostname, Int(url.port) ?? 0).map { ($0, url.isTLS) }
        }
        var nodes: [String] = []
        var failures: [String] = []
        for (scheme, service) in [("https", "etcd-server-ssl"), ("http", "etcd-server")] {
            let name = "_\(service)\(suffix)._tcp.\(discovery.srvDomain)"
            let records: [ServiceRecord]
            do {
                records = try ServiceLookup.look(up: name)
            } catch {
                failures.append("error querying DNS SRV records for _\(service)\(suffix) \(error)")
                continue
            }
            var number = 0
            for record in records {
                let reached = addresses(record.host, Int(record.port))
                if reached.isEmpty { continue }
                // Any address in common will do: a host may have several.
                let isOwn = own.contains { address, isTLS in isTLS == (scheme == "https") && reached.contains(address) }
                nodes.append("\(isOwn ? configuration.name : String(number))=\(scheme)://\(record.host):\(record.port)")
                if !isOwn { number += 1 }
            }
        }
        if nodes.isEmpty { throw ServerStartError(description: failures.joined(separator: "\n")) }
        return nodes
    }

    private static func addresses(_ host: String, _ port: Int) -> [String] {
        HostNames.addresses(of: host).map { "\($0):\(port)" }
    }
}
