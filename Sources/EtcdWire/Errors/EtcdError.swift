// An error as clients see it: a gRPC status code and a sentence. Clients compare the sentences, so they are etcd's to
// the letter; the table is in `EtcdError+Table.swift`.

/// An error that is answered to a client.
package struct EtcdError: Error, Sendable, Hashable {
    package let code: GRPCStatusCode
    package let message: String

    package init(code: GRPCStatusCode, message: String) {
        self.code = code
        self.message = message
    }
}

extension EtcdError: CustomStringConvertible {
    /// As Go's client library prints a status.
    package var description: String { "rpc error: code = \(code.name) desc = \(message)" }
}

extension EtcdError {
    /// A message of `size` bytes is above the transport's limit.
    package static func messageTooLarge(size: Int, limit: Int) -> EtcdError {
        EtcdError(code: .resourceExhausted, message: "grpc: received message larger than max (\(size) vs. \(limit))")
    }

    /// The error of the table with this sentence, as the client library looks it up.
    package static func known(message: String) -> EtcdError? {
        byMessage[message]
    }

    private static let byMessage = Dictionary(table.map { ($0.message, $0) }, uniquingKeysWith: { first, _ in first })
}
