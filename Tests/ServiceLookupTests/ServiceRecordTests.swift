// Answers of DNS, whole and damaged.

import ServiceLookup
import Testing

@Suite struct ServiceRecordTests {
    /// An answer about `_a.b` with these records; the question's name is referred to, as servers do.
    private static func answer(_ records: [(priority: UInt16, weight: UInt16, port: UInt16, host: [String])]) -> [UInt8] {
        func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
        func name(_ labels: [String]) -> [UInt8] {
            labels.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
        }
        var message = [7, 7, 0x81, 0x80] + number(1) + number(UInt16(records.count)) + number(0) + number(0)
        message += name(["_a", "b"]) + number(33) + number(1)
        for record in records {
            let data = number(record.priority) + number(record.weight) + number(record.port) + name(record.host)
            message += [0xc0, 12] + number(33) + number(1) + number(0) + number(60) + number(UInt16(data.count)) + data
        }
        return message
    }

    private static let sample = answer([
        (2, 0, 3, ["last"]), (1, 5, 1, ["m1", "b"]), (1, 9, 2, ["m2", "b"]), (1, 5, 4, ["m0", "b"]),
    ])

    @Test func recordsComeByPriorityThenWeightThenName() throws {
        #expect(
            try ServiceRecord.list(inAnswer: Self.sample) == [
                ServiceRecord(host: "m2.b", port: 2), ServiceRecord(host: "m0.b", port: 4), ServiceRecord(host: "m1.b", port: 1),
                ServiceRecord(host: "last", port: 3),
            ])
    }

    @Test func aNameThatRefersToItselfIsMalformed() {
        var message = Self.answer([(0, 0, 1, ["x"])])
        // The question's name now points at itself.
        message[12] = 0xc0
        message[13] = 12
        #expect(throws: ServiceRecordError.self) { try ServiceRecord.list(inAnswer: message) }
    }

    @Test func whatIsCutOffIsMalformed() {
        for length in 0..<Self.sample.count {
            #expect(throws: ServiceRecordError.self) { try ServiceRecord.list(inAnswer: Array(Self.sample[..<length])) }
        }
    }

    /// No byte in any place makes the reader trap.
    @Test func damagedAnswersAreReadOrRefused() {
        for place in Self.sample.indices {
            for byte in [0, 1, 12, 63, 64, 0xc0, 0xff] as [UInt8] {
                var message = Self.sample
                message[place] = byte
                let count = (try? ServiceRecord.list(inAnswer: message))?.count ?? 0
                #expect(count <= 4 || place < 12)
            }
        }
    }
}
