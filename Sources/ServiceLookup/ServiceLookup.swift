// Where a service is, as DNS tells it: SRV records by the system's resolver.

import CResolver

/// A question to DNS that was not answered.
package struct ServiceLookupError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

package enum ServiceLookup {
    /// Answers of resolvers are read into this; longer ones are cut, and what is whole counts.
    private static let answerBytesMax = 64 << 10
    private static let internetClass: Int32 = 1

    /// Asks the system's resolver for the SRV records of a name. Blocks.
    /// - Returns: ordered by priority and weight, then by name, so that all who ask see the same order.
    package static func look(up name: String) throws(ServiceLookupError) -> [ServiceRecord] {
        try lookRated(up: name).map(\.record)
    }

    /// The same, with what a proxy chooses by.
    package static func lookRated(
        up name: String
    ) throws(ServiceLookupError) -> [(priority: UInt16, weight: UInt16, record: ServiceRecord)] {
        var answer = [UInt8](repeating: 0, count: answerBytesMax)
        let length = resolver_query(name, internetClass, Int32(ServiceRecord.type), &answer, Int32(answer.count))
        guard length > 0 else { throw ServiceLookupError(description: "lookup \(name): no such host") }
        do throws(ServiceRecordError) {
            return try ServiceRecord.ratedList(inAnswer: Array(answer.prefix(Int(length))))
        } catch {
            throw ServiceLookupError(description: "lookup \(name): the answer is malformed")
        }
    }
}
