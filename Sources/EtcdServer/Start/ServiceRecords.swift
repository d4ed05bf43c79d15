// The members of a new cluster as the domain's SRV records name them (`--discovery-srv`).

import CResolver
import Foundation
import ServerConfiguration
import TransportSecurity

enum ServiceRecords {
    /// Answers of resolvers are read into this; longer ones are cut, and what is whole counts.
    private static let answerBytesMax = 64 << 10
    private static let internetClass: Int32 = 1

    /// Asks the system's resolver. Blocks.
    /// - Returns: ordered by priority and weight, then by name, so that every member sees the same order.
    static func look(up name: String) throws(ServerStartError) -> [ServiceRecord] {
        var answer = [UInt8](repeating: 0, count: answerBytesMax)
        let length = resolver_query(name, internetClass, Int32(ServiceRecord.type), &answer, Int32(answer.count))
        guard length > 0 else { throw ServerStartError(description: "lookup \(name): no such host") }
        do throws(ServiceRecordError) {
            return try ServiceRecord.list(inAnswer: Array(answer.prefix(Int(length))))
        } catch {
            throw ServerStartError(description: "lookup \(name): the answer is malformed")
        }
    }

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
                records = try look(up: name)
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
