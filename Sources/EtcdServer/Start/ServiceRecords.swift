// The members of a new cluster as the domain's SRV records name them (`--discovery-srv`).

import CResolver
import Foundation
import NIOCore
import ServerConfiguration

/// One SRV record: a host and a port.
struct ServiceRecord: Equatable {
    var host: String
    var port: UInt16
}

enum ServiceRecords {
    /// Answers of resolvers are read into this; longer ones are cut, and what is whole counts.
    private static let answerBytesMax = 64 << 10
    private static let serviceType: Int32 = 33
    private static let internetClass: Int32 = 1

    /// Asks the system's resolver. Blocks.
    /// - Returns: ordered by priority and weight, then by name, so that every member sees the same order.
    static func look(up name: String) throws(ServerStartError) -> [ServiceRecord] {
        var answer = [UInt8](repeating: 0, count: answerBytesMax)
        let length = resolver_query(name, internetClass, serviceType, &answer, Int32(answer.count))
        guard length > 0 else { throw ServerStartError(description: "lookup \(name): no such host") }
        return try parse(Array(answer.prefix(Int(length))), name)
    }

    /// The records in an answer of DNS (RFC 1035, RFC 2782).
    static func parse(_ message: [UInt8], _ name: String) throws(ServerStartError) -> [ServiceRecord] {
        var reader = MessageReader(message)
        do throws(MessageReader.Malformed) {
            try reader.skip(4)
            let questions = try reader.number()
            let answers = try reader.number()
            try reader.skip(4)
            for _ in 0..<questions {
                _ = try reader.name()
                try reader.skip(4)
            }
            var found: [(priority: UInt16, weight: UInt16, record: ServiceRecord)] = []
            for _ in 0..<answers {
                _ = try reader.name()
                let type = try reader.number()
                try reader.skip(6)
                let length = Int(try reader.number())
                let end = reader.position + length
                if type == UInt16(serviceType) {
                    let (priority, weight, port) = (try reader.number(), try reader.number(), try reader.number())
                    found.append((priority, weight, ServiceRecord(host: try reader.name(), port: port)))
                }
                try reader.move(to: end)
            }
            return found.sorted { ($0.priority, $1.weight, $0.record.host) < ($1.priority, $0.weight, $1.record.host) }.map(\.record)
        } catch {
            throw ServerStartError(description: "lookup \(name): the answer is malformed")
        }
    }

    private struct MessageReader {
        struct Malformed: Error {}

        private let bytes: [UInt8]
        private(set) var position = 0
        /// Names refer to earlier ones; a chain longer than this is a loop.
        private static let referencesMax = 32

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func number() throws(Malformed) -> UInt16 {
            guard position + 2 <= bytes.count else { throw Malformed() }
            defer { position += 2 }
            return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
        }

        mutating func skip(_ count: Int) throws(Malformed) { try move(to: position + count) }

        mutating func move(to place: Int) throws(Malformed) {
            guard place <= bytes.count else { throw Malformed() }
            position = place
        }

        mutating func name() throws(Malformed) -> String {
            var labels: [String] = []
            var place = position
            var references = 0
            while true {
                guard place < bytes.count else { throw Malformed() }
                let length = Int(bytes[place])
                if length & 0xc0 == 0xc0 {
                    guard place + 1 < bytes.count, references < Self.referencesMax else { throw Malformed() }
                    if references == 0 { position = place + 2 }
                    references += 1
                    place = (length & 0x3f) << 8 | Int(bytes[place + 1])
                } else if length == 0 {
                    if references == 0 { position = place + 1 }
                    return labels.joined(separator: ".")
                } else {
                    guard length < 64, place + 1 + length <= bytes.count else { throw Malformed() }
                    labels.append(String(decoding: bytes[place + 1..<place + 1 + length], as: UTF8.self))
                    place += 1 + length
                }
            }
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
                let isOwn = own.contains { address, isTLS in isTLS == (scheme == "https") && reached.contains(address) }
                nodes.append("\(isOwn ? configuration.name : String(number))=\(scheme)://\(record.host):\(record.port)")
                if !isOwn { number += 1 }
            }
        }
        if nodes.isEmpty { throw ServerStartError(description: failures.joined(separator: "\n")) }
        return nodes
    }

    private static func addresses(_ host: String, _ port: Int) -> [String] {
        guard let address = try? SocketAddress.makeAddressResolvingHost(host, port: port) else { return [] }
        return ["\(address.ipAddress ?? ""):\(port)"]
    }
}
