// What came and went over gRPC, counted per method. Confined to the front door's event loop.

package import EtcdWire

package final class CallStatistics {
    /// gRPC's status codes: 0 to 16.
    private static let codes = 17
    /// Of a method: begun, messages received, messages sent, and then the ends by code.
    private static let columns = 3 + codes
    private static let startedColumn = 0
    private static let receivedColumn = 1
    private static let sentColumn = 2
    private static let handledColumn = 3

    /// A row for each method. Plain memory, as it is written several times a call.
    private let counts = UnsafeMutablePointer<UInt64>.allocate(capacity: RPC.allCases.count * CallStatistics.columns)
    private var received: UInt64 = 0
    private var sent: UInt64 = 0
    /// Calls by what clients say of themselves, unary and streams apart.
    private var clients: [String: Client] = [:]
    private let unknownClient = Client()
    /// Clients choose the text: no more of them than this are kept apart.
    private static let clientsMax = 64

    /// Hears how many nanoseconds each call took; nil where nobody wants to know.
    package var handlingTook: ((RPC, UInt64) -> Void)?

    package final class Client {
        fileprivate(set) var unary: UInt64 = 0
        fileprivate(set) var streams: UInt64 = 0
    }

    init() {
        counts.initialize(repeating: 0, count: RPC.allCases.count * Self.columns)
    }

    deinit { counts.deallocate() }

    @inline(__always)
    private func cell(_ rpc: RPC, _ column: Int) -> UnsafeMutablePointer<UInt64> {
        precondition(column < Self.columns)
        return counts + (rpc.rawValue * Self.columns + column)
    }

    // MARK: For whoever shows figures

    package func started(_ rpc: RPC) -> UInt64 { cell(rpc, Self.startedColumn).pointee }
    package func messagesReceived(_ rpc: RPC) -> UInt64 { cell(rpc, Self.receivedColumn).pointee }
    package func messagesSent(_ rpc: RPC) -> UInt64 { cell(rpc, Self.sentColumn).pointee }
    package func handled(_ rpc: RPC, code: Int) -> UInt64 { cell(rpc, Self.handledColumn + code).pointee }
    package var bytesReceived: UInt64 { received }
    package var bytesSent: UInt64 { sent }

    package var clientsByVersion: [(version: String, unary: UInt64, streams: UInt64)] {
        ([("unknown", unknownClient)] + clients.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
            .map { ($0.0, $0.1.unary, $0.1.streams) }
    }

    // MARK: For calls

    /// Where calls are counted of clients that call themselves so; nil for those that don't.
    func client(version: String?) -> Client {
        guard let version else { return unknownClient }
        if let known = clients[version] { return known }
        guard clients.count < Self.clientsMax else { return unknownClient }
        let client = Client()
        clients[version] = client
        return client
    }

    func started(_ rpc: RPC, by client: Client) {
        cell(rpc, Self.startedColumn).pointee += 1
        if Self.isUnary(rpc) { client.unary += 1 } else { client.streams += 1 }
    }

    func received(_ rpc: RPC, _ bytes: Int) {
        cell(rpc, Self.receivedColumn).pointee += 1
        received += UInt64(bytes)
    }

    func sent(_ rpc: RPC, _ bytes: Int) {
        cell(rpc, Self.sentColumn).pointee += 1
        sent += UInt64(bytes)
    }

    func handled(_ rpc: RPC, _ code: GRPCStatusCode) {
        cell(rpc, Self.handledColumn + min(max(0, code.rawValue), Self.codes - 1)).pointee += 1
    }

    private static let unary = RPC.allCases.map { $0.definition.streaming == .unary }

    static func isUnary(_ rpc: RPC) -> Bool { unary[rpc.rawValue] }

    private static let bidirectional = RPC.allCases.map { $0.definition.streaming == .bidirectional }

    static func isBidirectional(_ rpc: RPC) -> Bool { bidirectional[rpc.rawValue] }
}
