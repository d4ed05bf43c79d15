// A stream through the JSON gateway: requests are JSON values, one after the other, in a body that may come in pieces or
// in messages of a WebSocket; answers are lines.

import Base
import EtcdAPI
import EtcdWire

/// Confined to the event loop.
final class GatewayStream {
    private let rpc: RPC
    private let lane: FrontLane
    private let call: GatewayCall
    private let metadata: CallMetadata
    /// The beginning of a value whose end has not come.
    private var pending: [UInt8] = []
    private let valueBytesMax: Int

    /// - Parameter valueBytesMax: how large one request may be, as JSON.
    init(_ rpc: RPC, _ request: HTTPRequest, _ lane: FrontLane, _ call: GatewayCall, valueBytesMax: Int) {
        self.rpc = rpc
        self.lane = lane
        self.call = call
        self.valueBytesMax = valueBytesMax
        metadata = CallMetadata(gateway: request)
    }

    /// Takes a piece of the body.
    func receive(_ piece: Bytes) {
        guard call.isOpen else { return }
        piece.withUnsafeBytes { pending += $0 }
        // A request is an object: before its last bracket there is nothing to be had.
        guard pending.count > valueBytesMax || piece.withUnsafeBytes({ $0.contains(UInt8(ascii: "}")) }) else { return }
        deliver(isLast: false)
    }

    /// The client has asked for all it wants.
    func requestsEnded() {
        guard call.isOpen else { return }
        deliver(isLast: true)
        // Watches go on until the client leaves.
        if rpc != .watch { call.finishWhenAnswered() }
    }

    private func deliver(isLast: Bool) {
        let input = Bytes(pending)
        var scanner = JSONScanner(input)
        var taken = 0
        do throws(EtcdError) {
            while true {
                let value: Bytes?
                do throws(JSONScanError) {
                    value = try scanner.next()
                } catch {
                    if error == .unexpectedEnd, !isLast {
                        pending.removeFirst(taken)
                        if pending.count > valueBytesMax { throw .requestTooLarge }
                        return
                    }
                    throw GatewayJSON.failure(error)
                }
                guard let value else { break }
                taken = scanner.position
                let message = try GatewayJSON.request(value: value, of: rpc)
                call.noteRequest(message.count)
                if rpc == .watch { lane.watch(message, metadata, call) } else { lane.keepAlive(message, metadata, call) }
                guard call.isOpen else { return }
            }
            pending = []
        } catch {
            pending = []
            call.finish(error)
        }
    }
}
