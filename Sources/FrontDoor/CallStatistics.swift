// What came and went over gRPC, counted per method. Confined to the front door's event loop.

package import EtcdWire

package final class CallStatistics {
    /// gRPC's status codes: 0 to 16.
    private static let codes = 17

    package private(set) var started = Array(repeating: UInt64(0), count: RPC.allCases.count)
    package private(set) var messagesReceived = Array(repeating: UInt64(0), count: RPC.allCases.count)
    package private(set) var messagesSent = Array(repeating: UInt64(0), count: RPC.allCases.count)
    private var handled = Array(repeating: UInt64(0), count: RPC.allCases.count * codes)
    package private(set) var bytesReceived: UInt64 = 0
    package private(set) var bytesSent: UInt64 = 0
    /// Calls by what clients say of themselves, unary and streams apart.
    package private(set) var clients: [String: (unary: UInt64, streams: UInt64)] = [:]
    private var unknownClients: (unary: UInt64, streams: UInt64) = (0, 0)
    /// Clients choose the text: no more of them than this are kept apart.
    private static let clientsMax = 64

    package func handled(_ rpc: RPC, code: Int) -> UInt64 { handled[rpc.rawValue * Self.codes + code] }

    package var clientsByVersion: [(version: String, unary: UInt64, streams: UInt64)] {
        ([("unknown", unknownClients)] + clients.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
            .map { ($0.0, $0.1.unary, $0.1.streams) }
    }

    func started(_ rpc: RPC, clientVersion: String?) {
        started[rpc.rawValue] += 1
        let isUnary = Self.isUnary[rpc.rawValue]
        guard let clientVersion, clients[clientVersion] != nil || clients.count < Self.clientsMax else {
            if isUnary { unknownClients.unary += 1 } else { unknownClients.streams += 1 }
            return
        }
        if isUnary { clients[clientVersion, default: (0, 0)].unary += 1 } else { clients[clientVersion, default: (0, 0)].streams += 1 }
    }

    func received(_ rpc: RPC, _ bytes: Int) {
        messagesReceived[rpc.rawValue] += 1
        bytesReceived += UInt64(bytes)
    }

    func sent(_ rpc: RPC, _ bytes: Int) {
        messagesSent[rpc.rawValue] += 1
        bytesSent += UInt64(bytes)
    }

    func handled(_ rpc: RPC, _ code: GRPCStatusCode) {
        handled[rpc.rawValue * Self.codes + min(max(0, code.rawValue), Self.codes - 1)] += 1
    }

    private static let isUnary = RPC.allCases.map { $0.definition.streaming == .unary }
}
