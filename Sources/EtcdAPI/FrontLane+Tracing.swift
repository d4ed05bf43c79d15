// Spans of what the member does for a call, within the call's own, under etcd's names and with its attributes.

import Base
import EtcdWire
import Tracing

extension FrontLane {
    /// Gives `body` the call's spans, if its trace is kept.
    @inline(__always)
    func trace(_ sink: any ReplySink, _ body: (CallTrace) -> Void) {
        if isTraced, let trace = sink.trace { body(trace) }
    }

    /// Ends a call whose request did not get through the log, as opposed to one that was applied and refused.
    func abandon(_ sink: any ReplySink, _ error: EtcdError) {
        trace(sink) { $0.note(error: error.message) }
        sink.finish(error)
    }
}

extension RangeRequest {
    var spanAttributes: [SpanAttribute] {
        [
            SpanAttribute("range_begin", key), SpanAttribute("range_end", rangeEnd), SpanAttribute("rev", revision),
            SpanAttribute("limit", limit), SpanAttribute("count_only", countOnly), SpanAttribute("keys_only", keysOnly),
        ]
    }
}

extension PutRequest {
    var spanAttributes: [SpanAttribute] { [SpanAttribute("key", key)] }
}

extension DeleteRangeRequest {
    var spanAttributes: [SpanAttribute] { [SpanAttribute("range_begin", key), SpanAttribute("range_end", rangeEnd)] }
}

extension CompactionRequest {
    var spanAttributes: [SpanAttribute] { [SpanAttribute("is_physical", physical), SpanAttribute("rev", revision)] }
}

extension WatchCreateRequest {
    func spanAttributes(of range: KeyRange) -> [SpanAttribute] {
        [
            SpanAttribute("key", range.key), SpanAttribute("range_end", range.isUnbounded ? Bytes() : range.end),
            SpanAttribute("start_rev", startRevision), SpanAttribute("progress_notify", progressNotify),
            SpanAttribute("prev_kv", prevKV), SpanAttribute("fragment", fragment),
        ]
    }
}

extension TxnRequest {
    func spanAttributes(isReadOnly: Bool) -> [SpanAttribute] {
        [
            SpanAttribute("compare_first_key", compare.first { !$0.key.isEmpty }?.key ?? Bytes()),
            SpanAttribute("success_first_key", success.lazy.compactMap(\.firstKey).first ?? Bytes()),
            SpanAttribute("success_first_type", success.lazy.compactMap(\.spanName).first ?? ""),
            SpanAttribute("success_first_lease", success.lazy.compactMap(\.lease).first ?? -1),
            SpanAttribute("compare_len", Int64(compare.count)), SpanAttribute("success_len", Int64(success.count)),
            SpanAttribute("failure_len", Int64(failure.count)), SpanAttribute("read_only", isReadOnly),
        ]
    }
}

extension RequestOp {
    /// Nil where there is none.
    fileprivate var firstKey: Bytes? {
        let key: Bytes
        switch self {
        case .range(let request): key = request.key
        case .put(let request): key = request.key
        case .deleteRange(let request): key = request.key
        case .txn, .none: return nil
        }
        return key.isEmpty ? nil : key
    }

    fileprivate var spanName: String? {
        switch self {
        case .range: "range"
        case .put: "put"
        case .deleteRange: "delete_range"
        case .txn: "txn"
        case .none: nil
        }
    }

    fileprivate var lease: Int64? {
        if case .put(let request) = self { request.lease } else { nil }
    }
}
