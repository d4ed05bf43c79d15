// A part of the key space that looks like all of it: keys get a prefix on their way in and lose it on their way out.

import EtcdWire
import FoundationEssentials
import SwiftProtobuf

/// The keys that begin with a prefix, as a key space of their own. An empty prefix changes nothing.
struct KeyNamespace: Sendable {
    let prefix: Data

    init(_ prefix: String) { self.prefix = Data(prefix.utf8) }

    var isEmpty: Bool { prefix.isEmpty }

    /// The key inside; an empty key stays empty, so that the member refuses it as it refuses one outside.
    func inside(_ key: Data) -> Data { key.isEmpty || isEmpty ? key : prefix + key }

    /// A range inside. "Everything from here on" ends with the namespace.
    func inside(key: Data, end: Data) -> (key: Data, end: Data) {
        if isEmpty || key.isEmpty { return (key, end) }
        if end.isEmpty { return (prefix + key, end) }
        return (prefix + key, end == Data([0]) ? Self.after(prefix) : prefix + end)
    }

    /// Without the prefix. What doesn't have it is none of ours and stays as it is.
    func outside(_ key: Data) -> Data { !isEmpty && key.starts(with: prefix) ? Data(key.dropFirst(prefix.count)) : key }

    /// The first key that doesn't begin with `prefix` any more; a zero byte, meaning no end, if there is none.
    private static func after(_ prefix: Data) -> Data {
        var bytes = [UInt8](prefix)
        while let last = bytes.last {
            if last < 0xFF {
                bytes[bytes.count - 1] = last + 1
                return Data(bytes)
            }
            bytes.removeLast()
        }
        return Data([0])
    }
}

// MARK: Requests

extension KeyNamespace {
    func enter(_ request: inout Etcdserverpb_RangeRequest) {
        (request.key, request.rangeEnd) = inside(key: request.key, end: request.rangeEnd)
    }

    func enter(_ request: inout Etcdserverpb_PutRequest) { request.key = inside(request.key) }

    func enter(_ request: inout Etcdserverpb_DeleteRangeRequest) {
        (request.key, request.rangeEnd) = inside(key: request.key, end: request.rangeEnd)
    }

    func enter(_ request: inout Etcdserverpb_TxnRequest) {
        for index in request.compare.indices {
            let (key, end) = inside(key: request.compare[index].key, end: request.compare[index].rangeEnd)
            request.compare[index].key = key
            request.compare[index].rangeEnd = end
        }
        for index in request.success.indices { enter(&request.success[index]) }
        for index in request.failure.indices { enter(&request.failure[index]) }
    }

    private func enter(_ operation: inout Etcdserverpb_RequestOp) {
        switch operation.request {
        case .requestRange(var request):
            enter(&request)
            operation.request = .requestRange(request)
        case .requestPut(var request):
            enter(&request)
            operation.request = .requestPut(request)
        case .requestDeleteRange(var request):
            enter(&request)
            operation.request = .requestDeleteRange(request)
        case .requestTxn(var request):
            enter(&request)
            operation.request = .requestTxn(request)
        case nil: break
        }
    }
}

// MARK: Answers

extension KeyNamespace {
    func leave(_ pair: inout Mvccpb_KeyValue) { pair.key = outside(pair.key) }

    func leave(_ answer: inout Etcdserverpb_RangeResponse) {
        for index in answer.kvs.indices { leave(&answer.kvs[index]) }
    }

    func leave(_ answer: inout Etcdserverpb_RangeStreamResponse) {
        if answer.hasRangeResponse { leave(&answer.rangeResponse) }
    }

    func leave(_ answer: inout Etcdserverpb_PutResponse) {
        if answer.hasPrevKv { leave(&answer.prevKv) }
    }

    func leave(_ answer: inout Etcdserverpb_DeleteRangeResponse) {
        for index in answer.prevKvs.indices { leave(&answer.prevKvs[index]) }
    }

    func leave(_ answer: inout Etcdserverpb_TxnResponse) {
        for index in answer.responses.indices {
            switch answer.responses[index].response {
            case .responseRange(var part):
                leave(&part)
                answer.responses[index].response = .responseRange(part)
            case .responsePut(var part):
                leave(&part)
                answer.responses[index].response = .responsePut(part)
            case .responseDeleteRange(var part):
                leave(&part)
                answer.responses[index].response = .responseDeleteRange(part)
            case .responseTxn(var part):
                leave(&part)
                answer.responses[index].response = .responseTxn(part)
            case nil: break
            }
        }
    }

    func leave(_ answer: inout Etcdserverpb_WatchResponse) {
        for index in answer.events.indices {
            leave(&answer.events[index].kv)
            if answer.events[index].hasPrevKv { leave(&answer.events[index].prevKv) }
        }
    }

    /// A lease may hold keys of other namespaces: these are nobody's business here.
    func leave(_ answer: inout Etcdserverpb_LeaseTimeToLiveResponse) {
        guard !isEmpty else { return }
        answer.keys = answer.keys.filter { $0.starts(with: prefix) }.map(outside)
    }
}
