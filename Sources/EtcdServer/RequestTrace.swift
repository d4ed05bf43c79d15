// The steps of a request that took long, as etcd's log tells of them. Their names are etcd's where the steps are; what is
// one step here and several there has the name of the last.

import Base
import EtcdAPI
import EtcdWire
import Replica
import ServerLog
import StateMachine

struct RequestTrace {
    /// In nanoseconds, as in etcd: whatever the flags say.
    static let threshold: UInt64 = 100_000_000

    /// What passes within a turn is no step.
    private static let turn: Duration = .milliseconds(1)

    struct Step {
        let name: String
        /// When it ended.
        let at: Instant
    }

    let operation: String
    var details: [(key: String, value: String)] = []
    let begun: Instant
    let ended: Instant
    var steps: [Step] = []
    /// Whether short steps are told of, too.
    var tellsAll = false

    /// The fields of the line.
    /// - Parameters:
    ///   - number: for whoever wants to name the line.
    ///   - unixOffset: what the clock's nanoseconds lack to those since 1970.
    func fields(number: Int32, unixOffset: Int64) -> [LogField] {
        let told = toldSteps
        func timestamp(_ instant: Instant) -> String {
            CivilTime.timestamp(nanoseconds: Int64(clamping: instant.nanoseconds) &+ unixOffset)
        }
        return [
            .int("trace_id", number), .string("operation", operation), .string("detail", detail),
            .duration("duration", ended - begun), .string("start", timestamp(begun)), .string("end", timestamp(ended)),
            .strings("steps", told), .int("step_count", told.count),
        ]
    }

    private var detail: String {
        if details.isEmpty { return "" }
        return "{" + details.map { "\($0.key):\($0.value); " }.joined() + "}"
    }

    private var toldSteps: [String] {
        let shortest: Duration = .nanoseconds(Int64(Self.threshold) / Int64(steps.count + 1))
        var (told, last) = ([String](), begun)
        for step in steps {
            let took = step.at - last
            if tellsAll || took > shortest {
                told.append("'\(step.name)'  (duration: \(GoDuration(nanoseconds: took.wholeNanoseconds)))")
            }
            last = max(last, step.at)
        }
        return told
    }
}

extension RequestTrace {
    init(_ slow: SlowRead) {
        begun = slow.times.arrived
        ended = slow.ended
        if let agreed = slow.times.agreed {
            steps.append(Step(name: "agreement among raft nodes before linearized reading", at: agreed))
        }
        if slow.times.begun - (slow.times.agreed ?? begun) > Self.turn {
            steps.append(Step(name: "wait for other reads", at: slow.times.begun))
        }
        let answer = try? slow.outcome.get()
        switch slow.request {
        case .range(let request):
            operation = "range"
            details = [("range_begin", Self.text(request.key)), ("range_end", Self.text(request.rangeEnd))]
            if let response = answer.flatMap({ try? RangeResponse(decoding: $0) }) {
                details.append(("response_count", String(response.kvs.count)))
                details.append(("response_revision", String(slow.revision ?? response.header?.revision ?? 0)))
                steps.append(Step(name: "range keys from bolt db", at: ended))
            }
        case .txn:
            operation = "transaction"
            details = [("read_only", "true")]
            if let response = answer.flatMap({ try? TxnResponse(decoding: $0) }) {
                details.append(("number_of_response", String(response.responses.count)))
                details.append(("response_revision", String(slow.revision ?? response.header?.revision ?? 0)))
                steps.append(Step(name: "range keys from bolt db", at: ended))
            }
        }
    }

    init(_ slow: SlowWrite) {
        begun = slow.arrived
        ended = slow.ended
        let applying = slow.decided ?? min(max(slow.begunApplying, begun), ended)
        steps = [Step(name: "process raft request", at: applying)]
        switch slow.kind {
        case .compaction:
            operation = "compact"
            details = [("revision", String((try? CompactionRequest(decoding: slow.request))?.revision ?? 0))]
            steps.append(
                Step(
                    name: slow.decided == nil ? "check and update compact revision" : "physically toApply compaction",
                    at: ended
                )
            )
        case .put:
            operation = "put"
            details = [
                ("key", Self.text((try? PutRequest(decoding: slow.request))?.key ?? Bytes())),
                ("req_size", String(slow.request.count)),
            ]
            steps.append(Step(name: "store kv pair into bolt db", at: ended))
        default:
            operation = "transaction"
            let responses = (try? TxnResponse(decoding: slow.reply.body))?.responses ?? []
            details = [("read_only", "false"), ("number_of_response", String(responses.count))]
            steps.append(Step(name: "store kv pair into bolt db", at: ended))
            // etcd has known the revision since the first put.
            if responses.contains(where: \.hasPut) {
                details.insert(("response_revision", String(slow.reply.revision ?? 0)), at: 1)
                return
            }
        }
        details.append(("response_revision", String(slow.reply.revision ?? 0)))
    }

    init(_ slow: SlowBarrier) {
        operation = "linearizableReadLoop"
        begun = slow.begun
        ended = slow.ended
        details = [("readStateIndex", String(slow.read.index)), ("appliedIndex", String(slow.read.applied))]
        tellsAll = true
        steps = [
            Step(name: "read index received", at: max(begun, slow.read.receivedAt)),
            Step(name: "applied index is now lower than readState.Index", at: ended),
        ]
    }

    private static func text(_ bytes: Bytes) -> String { bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

extension ResponseOp {
    fileprivate var hasPut: Bool {
        switch self {
        case .put: true
        case .txn(let response): response.responses.contains(where: \.hasPut)
        default: false
        }
    }
}
