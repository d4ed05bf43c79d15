// SRV records in an answer of DNS (RFC 1035, RFC 2782): where the members of a new cluster are, for `--discovery-srv`.

/// One SRV record: a host and a port.
package struct ServiceRecord: Sendable, Equatable {
    package var host: String
    package var port: UInt16

    /// The number of this type of records.
    package static let type: UInt16 = 33

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Ordered by priority and weight, then by name, so that every member sees the same order.
    package static func list(inAnswer message: [UInt8]) throws(ServiceRecordError) -> [ServiceRecord] {
        try ratedList(inAnswer: message).map(\.record)
    }

    /// The same, with what a proxy chooses by.
    package static func ratedList(
        inAnswer message: [UInt8]
    ) throws(ServiceRecordError) -> [(priority: UInt16, weight: UInt16, record: ServiceRecord)] {
        var reader = AnswerReader(message)
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
            if type == Self.type {
                let (priority, weight, port) = (try reader.number(), try reader.number(), try reader.number())
                found.append((priority, weight, ServiceRecord(host: try reader.name(), port: port)))
            }
            try reader.move(to: end)
        }
        return found.sorted { ($0.priority, $1.weight, $0.record.host) < ($1.priority, $0.weight, $1.record.host) }
    }
}

/// The answer is cut off, or refers to itself.
package struct ServiceRecordError: Error, Equatable {}

private struct AnswerReader {
    private let bytes: [UInt8]
    private(set) var position = 0
    /// Names refer to earlier ones; a chain longer than this is a loop.
    private static let referencesMax = 32

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func number() throws(ServiceRecordError) -> UInt16 {
        guard position + 2 <= bytes.count else { throw ServiceRecordError() }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func skip(_ count: Int) throws(ServiceRecordError) { try move(to: position + count) }

    mutating func move(to place: Int) throws(ServiceRecordError) {
        guard place <= bytes.count else { throw ServiceRecordError() }
        position = place
    }

    mutating func name() throws(ServiceRecordError) -> String {
        var labels: [String] = []
        var place = position
        var references = 0
        while true {
            guard place < bytes.count else { throw ServiceRecordError() }
            let length = Int(bytes[place])
            if length & 0xc0 == 0xc0 {
                guard place + 1 < bytes.count, references < Self.referencesMax else { throw ServiceRecordError() }
                if references == 0 { position = place + 2 }
                references += 1
                place = (length & 0x3f) << 8 | Int(bytes[place + 1])
            } else if length == 0 {
                if references == 0 { position = place + 1 }
                return labels.joined(separator: ".")
            } else {
                guard length < 64, place + 1 + length <= bytes.count else { throw ServiceRecordError() }
                labels.append(String(decoding: bytes[place + 1..<place + 1 + length], as: UTF8.self))
                place += 1 + length
            }
        }
    }
}
