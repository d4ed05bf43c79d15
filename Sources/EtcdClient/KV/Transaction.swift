// Transactions: if all conditions hold, then these operations, otherwise those, at one revision.

import EtcdWire
import FoundationEssentials
import SwiftProtobuf

/// A transaction, built step by step:
/// `Transaction().when(.missing("name")).then(.put("name", "value")).otherwise(.get("name"))`.
public struct Transaction: Sendable, Hashable {
    public var conditions: [Condition] = []
    public var success: [Operation] = []
    public var failure: [Operation] = []

    public init() {}

    /// Adds conditions; all of them must hold. Without any, they hold.
    public func when(_ conditions: Condition...) -> Transaction {
        var next = self
        next.conditions += conditions
        return next
    }

    /// Adds what is done if the conditions hold.
    public func then(_ operations: Operation...) -> Transaction {
        var next = self
        next.success += operations
        return next
    }

    /// Adds what is done if they don't.
    public func otherwise(_ operations: Operation...) -> Transaction {
        var next = self
        next.failure += operations
        return next
    }

    var message: Etcdserverpb_TxnRequest {
        .with {
            $0.compare = conditions.map(\.message)
            $0.success = success.map(\.message)
            $0.failure = failure.map(\.message)
        }
    }

    /// What a transaction demands of a key, or of every key of a range.
    public struct Condition: Sendable, Hashable {
        public enum Comparison: Sendable, Hashable { case equal, notEqual, less, greater }
        public enum Quantity: Sendable, Hashable {
            case value([UInt8])
            case version(Int64)
            case createRevision(Int64)
            case modRevision(Int64)
            case lease(Int64)
        }

        public var range: KeyRange
        public var comparison: Comparison
        public var quantity: Quantity

        public init(_ range: KeyRange, _ comparison: Comparison, _ quantity: Quantity) {
            self.range = range
            self.comparison = comparison
            self.quantity = quantity
        }

        public static func value(of key: some Octets, _ comparison: Comparison, _ value: some Octets) -> Condition {
            Condition(.key(key), comparison, .value(value.octets))
        }

        public static func version(of key: some Octets, _ comparison: Comparison, _ version: Int64) -> Condition {
            Condition(.key(key), comparison, .version(version))
        }

        public static func createRevision(of key: some Octets, _ comparison: Comparison, _ revision: Int64) -> Condition
        {
            Condition(.key(key), comparison, .createRevision(revision))
        }

        public static func modRevision(of key: some Octets, _ comparison: Comparison, _ revision: Int64) -> Condition {
            Condition(.key(key), comparison, .modRevision(revision))
        }

        public static func lease(of key: some Octets, _ comparison: Comparison, _ lease: Int64) -> Condition {
            Condition(.key(key), comparison, .lease(lease))
        }

        public static func value(of key: some Octets, equals value: some Octets) -> Condition {
            .value(of: key, .equal, value)
        }
        public static func version(of key: some Octets, equals version: Int64) -> Condition {
            .version(of: key, .equal, version)
        }
        public static func createRevision(of key: some Octets, equals revision: Int64) -> Condition {
            .createRevision(of: key, .equal, revision)
        }
        public static func modRevision(of key: some Octets, equals revision: Int64) -> Condition {
            .modRevision(of: key, .equal, revision)
        }
        public static func lease(of key: some Octets, equals lease: Int64) -> Condition {
            .lease(of: key, .equal, lease)
        }

        /// That there is no such key.
        public static func missing(_ key: some Octets) -> Condition { .createRevision(of: key, equals: 0) }

        /// That there is such a key.
        public static func exists(_ key: some Octets) -> Condition { .createRevision(of: key, .greater, 0) }

        var message: Etcdserverpb_Compare {
            .with {
                $0.key = Data(range.start)
                $0.rangeEnd = Data(range.end)
                switch comparison {
                case .equal: $0.result = .equal
                case .notEqual: $0.result = .notEqual
                case .less: $0.result = .less
                case .greater: $0.result = .greater
                }
                switch quantity {
                case .value(let value):
                    $0.target = .value
                    $0.value = Data(value)
                case .version(let version):
                    $0.target = .version
                    $0.version = version
                case .createRevision(let revision):
                    $0.target = .create
                    $0.createRevision = revision
                case .modRevision(let revision):
                    $0.target = .mod
                    $0.modRevision = revision
                case .lease(let lease):
                    $0.target = .lease
                    $0.lease = lease
                }
            }
        }
    }

    /// What a transaction does.
    public indirect enum Operation: Sendable, Hashable {
        case get(GetRequest)
        case put(PutRequest)
        case delete(DeleteRequest)
        case transaction(Transaction)

        public static func get(_ key: some Octets) -> Operation { .get(GetRequest(.key(key))) }
        public static func get(_ range: KeyRange) -> Operation { .get(GetRequest(range)) }
        public static func put(_ key: some Octets, _ value: some Octets, lease: Int64 = 0) -> Operation {
            .put(PutRequest(key, value, lease: lease))
        }
        public static func delete(_ key: some Octets) -> Operation { .delete(DeleteRequest(.key(key))) }
        public static func delete(_ range: KeyRange) -> Operation { .delete(DeleteRequest(range)) }

        var message: Etcdserverpb_RequestOp {
            .with {
                switch self {
                case .get(let request): $0.requestRange = request.message
                case .put(let request): $0.requestPut = request.message
                case .delete(let request): $0.requestDeleteRange = request.message
                case .transaction(let transaction): $0.requestTxn = transaction.message
                }
            }
        }

        /// Whether it changes nothing.
        var isRead: Bool {
            switch self {
            case .get: true
            case .put, .delete: false
            case .transaction(let transaction): transaction.isRead
            }
        }
    }

    /// Whether it changes nothing, whatever its conditions say; then it may be repeated.
    var isRead: Bool { success.allSatisfy(\.isRead) && failure.allSatisfy(\.isRead) }
}

/// The answer to a ``Transaction``.
public struct TransactionResult: Sendable, Hashable {
    /// What an operation of a transaction answers.
    public indirect enum Item: Sendable, Hashable {
        case get(GetResult)
        case put(PutResult)
        case delete(DeleteResult)
        case transaction(TransactionResult)
    }

    /// Whether the conditions held.
    public let succeeded: Bool
    /// One answer for each operation of the branch that was taken.
    public var items: [Item]
    public let header: ResponseHeader

    /// The first pair of the operation at `index`, if that is a ``GetRequest`` that found one.
    public func pair(at index: Int) -> KeyValue? {
        guard items.indices.contains(index), case .get(let result) = items[index] else { return nil }
        return result.pairs.first
    }

    init(_ message: Etcdserverpb_TxnResponse) {
        succeeded = message.succeeded
        header = ResponseHeader(message.header)
        items = message.responses.compactMap { response in
            switch response.response {
            case .responseRange(let answer): .get(GetResult(answer))
            case .responsePut(let answer): .put(PutResult(answer))
            case .responseDeleteRange(let answer): .delete(DeleteResult(answer))
            case .responseTxn(let answer): .transaction(TransactionResult(answer))
            case nil: nil
            }
        }
    }
}
