// Messages of clients and peers.

import Base
import EtcdWire
import RaftWire
import Tracing
import Wire

/// What decodes must encode to something that decodes to the same bytes again.
private func roundTrip<M>(_ bytes: Bytes, _ decode: (Bytes) throws -> M, _ encode: (M) -> Bytes) {
    guard let message = try? decode(bytes) else { return }
    let encoded = encode(message)
    guard let again = try? decode(encoded) else { preconditionFailure("what \(M.self) encodes does not decode") }
    precondition(encode(again) == encoded, "\(M.self) does not settle")
}

func fuzzProtobuf(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let kind = choices.byte()
    let bytes = Bytes(choices.remaining())
    switch kind % 22 {
    case 0: roundTrip(bytes, PutRequest.init(decoding:)) { $0.encoded() }
    case 1: roundTrip(bytes, RangeRequest.init(decoding:)) { $0.encoded() }
    case 2: roundTrip(bytes, DeleteRangeRequest.init(decoding:)) { $0.encoded() }
    case 3: roundTrip(bytes, TxnRequest.init(decoding:)) { $0.encoded() }
    case 4: roundTrip(bytes, CompactionRequest.init(decoding:)) { $0.encoded() }
    case 5: roundTrip(bytes, LeaseGrantRequest.init(decoding:)) { $0.encoded() }
    case 6: roundTrip(bytes, LeaseRevokeRequest.init(decoding:)) { $0.encoded() }
    case 7: roundTrip(bytes, WatchRequest.init(decoding:)) { $0.encoded() }
    case 8: roundTrip(bytes, WatchResponse.init(decoding:)) { $0.encoded() }
    case 9: roundTrip(bytes, KeyValue.init(decoding:)) { $0.encoded() }
    case 10: roundTrip(bytes, Event.init(decoding:)) { $0.encoded() }
    case 11: roundTrip(bytes, RangeResponse.init(decoding:)) { $0.encoded() }
    case 12: roundTrip(bytes, TxnResponse.init(decoding:)) { $0.encoded() }
    case 13: roundTrip(bytes, PutResponse.init(decoding:)) { $0.encoded() }
    case 14: roundTrip(bytes, DeleteRangeResponse.init(decoding:)) { $0.encoded() }
    case 15: if let request = try? InternalRaftRequest(decoding: bytes) { _ = request.encoded() }
    case 16: roundTrip(bytes, Message.init(decoding:)) { $0.encoded() }
    case 17: roundTrip(bytes, Entry.init(decoding:)) { $0.encoded() }
    case 18: roundTrip(bytes, Snapshot.init(decoding:)) { $0.encoded() }
    case 19: roundTrip(bytes, HardState.init(decoding:)) { $0.encoded() }
    case 20: roundTrip(bytes, ConfChange.init(decoding:)) { $0.encoded() }
    default: roundTrip(bytes, ConfChangeV2.init(decoding:)) { $0.encoded() }
    }
}

func fuzzPeerStreams(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let (kind, cut) = (choices.byte(), Int(choices.byte()) + 1)
    let bytes = choices.remaining()
    var appends = AppendStreamDecoder(local: 1, remote: 2)
    var messages = MessageStreamDecoder()
    var at = 0
    // In pieces, as a socket brings them.
    while at < bytes.count {
        let end = min(bytes.count, at + cut)
        do {
            try bytes[at..<end].withUnsafeBytes { piece in
                if kind & 1 == 0 {
                    appends.append(piece)
                    while let message = try appends.next() { _ = message.encoded() }
                } else {
                    messages.append(piece)
                    while let message = try messages.next() { _ = message.encoded() }
                }
            }
        } catch { return }
        at = end
    }
}

func fuzzGatewayJSON(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let rpc = RPC.allCases[Int(choices.byte()) % RPC.allCases.count]
    let body = Bytes(choices.remaining())
    if let message = try? GatewayJSON.request(body: body, of: rpc) {
        _ = try? GatewayJSON.response(message, of: rpc)
    }
    var scanner = JSONScanner(body)
    while let value = try? scanner.next() {
        guard let shape = rpc.plainShapes.request, let plain = PlainJSONReader.message(value, shape) else {
            _ = try? GatewayJSON.request(value: value, of: rpc)
            continue
        }
        // What the straight way takes, the general way takes and understands alike.
        precondition((try? GatewayJSON.generalRequest(value: value, of: rpc)) == plain)
    }
    guard let shape = rpc.plainShapes.response, let plain = PlainJSONWriter.json(body, shape) else { return }
    precondition((try? GatewayJSON.generalResponse(body, of: rpc)) == plain)
}

func fuzzTraceContext(_ input: UnsafeRawBufferPointer) {
    let fields = String(decoding: input, as: UTF8.self).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
    guard let context = TraceContext(parent: String(fields[0]), state: fields.count > 1 ? String(fields[1]) : nil) else { return }
    precondition(context.traceID.isValid && context.spanID != 0)
    // What is passed on is taken by those who come after.
    precondition(TraceContext(parent: String(fields[0]), state: context.state)?.state == context.state)
}
