// Log lines of requests that took long, as etcd writes them: operators search for them, and programs count them.

import Base
import EtcdAPI
import EtcdWire
import FoundationEssentials
import FrontDoor
import Replica
import ServerConfiguration
import ServerLog
import StateMachine
import Wire

extension MemberLoop {
    /// Has what takes long told of.
    func watchSlowRequests() {
        let requests = configuration.requests
        let applyNanoseconds = UInt64(max(0, requests.warningApplyDuration.nanoseconds))
        replica.apply.slowNanoseconds = applyNanoseconds
        metrics.slowApplyNanoseconds = applyNanoseconds
        let reports = door.reports
        reports.thresholdNanoseconds = UInt64(max(0, requests.warningUnaryRequestDuration.nanoseconds))
        reports.includesAll = logger.isEnabled(.debug)
        reports.report = { [unowned self] in write($0) }
    }

    func write(_ slow: SlowApply) {
        let request = (try? InternalRaftRequest(decoding: slow.data)).map(RequestText.entry) ?? ""
        var response = ""
        if case .success(let reply) = slow.outcome {
            let header = (reply.revision ?? 0) > 0 ? 3 + varintSize(reply.revision ?? 0) : 0
            response = "size:\(header + reply.body.count)"
        }
        writeSlow(slow.nanoseconds, prefix: "", request: request, response: response, slow.outcome.failure)
    }

    func write(_ slow: SlowRead, withSteps: Bool) {
        if slow.nanoseconds > metrics.slowApplyNanoseconds { warn(slow) }
        if withSteps, slow.nanoseconds > RequestTrace.threshold { write(RequestTrace(slow)) }
    }

    func write(_ slow: SlowWrite) { write(RequestTrace(slow)) }
    func write(_ slow: SlowBarrier) { write(RequestTrace(slow)) }

    private func write(_ trace: @autoclosure () -> RequestTrace) {
        guard logger.isEnabled(.info) else { return }
        logger.info("trace", trace().fields(number: .random(in: 0...Int32.max), unixOffset: Self.unixOffset))
    }

    private func warn(_ slow: SlowRead) {
        metrics.slowApplies += 1
        switch slow.request {
        case .range(let request):
            var response = ""
            if case .success(let bytes) = slow.outcome {
                let count = (try? RangeResponse(decoding: bytes))?.kvs.count ?? 0
                response = "range_response_count:\(count) size:\(bytes.count)"
            }
            writeSlow(
                slow.nanoseconds, prefix: "read-only range ", request: RequestText.range(request), response: response,
                slow.outcome.failure)
        case .txn(let request):
            var response = ""
            if case .success(let bytes) = slow.outcome {
                let answers = (try? TxnResponse(decoding: bytes))?.responses ?? []
                let counts = answers.map { answer in
                    if case .range(let range) = answer { "range_response_count:\(range.kvs.count)" } else { "" }
                }
                response = "responses:<\(counts.joined(separator: " "))> size:\(bytes.count)"
            }
            writeSlow(
                slow.nanoseconds, prefix: "read-only txn ", request: RequestText.txn(request), response: response,
                slow.outcome.failure)
        }
    }

    private func writeSlow(
        _ nanoseconds: UInt64, prefix: String, request: String, response: String, _ error: EtcdError?
    ) {
        var fields: [LogField] = [
            .duration("took", .nanoseconds(Int64(clamping: nanoseconds))),
            .duration("expected-duration", configuration.requests.warningApplyDuration),
            .string("prefix", prefix), .string("request", request), .string("response", response),
        ]
        // Clients are told more than the log: who says so.
        if let error {
            let isStore = error.message.hasPrefix("etcdserver: mvcc: ")
            fields.append(.error(isStore ? String(error.message.dropFirst("etcdserver: ".count)) : error.message))
        }
        logger.warn("apply request took too long", fields)
    }

    private func write(_ call: CallReport) {
        let facts = CallFacts(call)
        let begun = Date().timeIntervalSince1970 - Double(call.nanoseconds) / 1e9
        let fields: [LogField] = [
            .string("start time", CivilTime.timestamp(nanoseconds: Int64(begun * 1e9))),
            .duration("time spent", .nanoseconds(Int64(clamping: call.nanoseconds))),
            .string("remote", call.remote ?? "No remote client info."),
            .string("response type", call.rpc.definition.path),
            .int("request count", facts.requestCount), .int("request size", facts.requestSize),
            .int("response count", facts.responseCount), .int("response size", facts.responseSize),
            .string("request content", facts.content),
        ]
        if logger.isEnabled(.debug) {
            logger.debug("request stats", fields)
        } else {
            logger.warn("request stats", fields)
        }
    }
}

/// What etcd counts of a call; -1 where it does not look inside.
private struct CallFacts {
    var requestCount = -1
    var requestSize = -1
    var responseCount = -1
    var responseSize = -1
    var content = ""

    init(_ call: CallReport) {
        let size = call.response?.count ?? 0
        switch call.rpc {
        case .range:
            guard let request = try? RangeRequest(decoding: call.request) else { return }
            let count = call.response.flatMap { try? RangeResponse(decoding: $0) }?.count ?? 0
            set(0, call.request.count, Int(count), size, RequestText.range(request))
        case .put:
            guard let request = try? PutRequest(decoding: call.request) else { return }
            set(1, call.request.count, 0, size, RequestText.put(request))
        case .deleteRange:
            guard let request = try? DeleteRangeRequest(decoding: call.request) else { return }
            let deleted = call.response.flatMap { try? DeleteRangeResponse(decoding: $0) }?.deleted ?? 0
            set(0, call.request.count, Int(deleted), size, RequestText.deleteRange(request))
        case .txn:
            guard let request = try? TxnRequest(decoding: call.request) else { return }
            // Of the branch that was taken.
            let answer = call.response.flatMap { try? TxnResponse(decoding: $0) }
            let branch = answer.map { $0.succeeded ? request.success : request.failure } ?? []
            set(
                branch.count, branch.reduce(0) { $0 + $1.encodedSize }, 0, size, RequestText.txn(request))
        default: break
        }
    }

    private mutating func set(_ requestCount: Int, _ requestSize: Int, _ responseCount: Int, _ responseSize: Int, _ content: String) {
        self.requestCount = requestCount
        self.requestSize = requestSize
        self.responseCount = responseCount
        self.responseSize = responseSize
        self.content = content
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
