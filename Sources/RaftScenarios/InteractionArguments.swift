// The commands with many arguments: `add-nodes` and `propose-conf-change`.

import Base
import DataDriven
import Raft
import RaftWire

/// What `add-nodes` asks for.
struct NodeSetup {
    private(set) var count: Int
    private(set) var configuration = RaftConfiguration(
        id: 1,
        electionTicks: 3,
        heartbeatTicks: 1,
        maxSizePerMessage: .max,
        maxInflightMessages: Int(Int32.max),
        checkQuorum: false,
        preVote: false,
        asyncStorageWrites: false,
        minimumLogLevel: .debug,
        logsLeaderChanges: false
    )
    private(set) var snapshot = Snapshot()
    /// Why it cannot be done.
    private(set) var complaint: String?

    init(_ directive: Directive) throws(DataDrivenError) {
        count = try directive.firstNumber()
        for argument in directive.arguments.dropFirst() {
            for value in argument.values { try set(argument.key, value) }
        }
        if snapshot != Snapshot() {
            if snapshot.metadata.index <= 1 { complaint = "index must be specified as > 1 due to bootstrap" }
            snapshot.metadata.term = 1
        }
    }

    private mutating func set(_ key: String, _ value: String) throws(DataDrivenError) {
        func number<Number: FixedWidthInteger>(_ type: Number.Type) throws(DataDrivenError) -> Number {
            guard let number = Number(value) else { throw DataDrivenError("not a number: \(key)=\(value)") }
            return number
        }
        func flag() throws(DataDrivenError) -> Bool {
            guard let flag = Bool(value) else { throw DataDrivenError("neither true nor false: \(key)=\(value)") }
            return flag
        }
        switch key {
        case "voters": snapshot.metadata.confState.voters.append(try number(MemberID.self))
        case "learners": snapshot.metadata.confState.learners.append(try number(MemberID.self))
        case "inflight": configuration.maxInflightMessages = try number(Int.self)
        case "index":
            snapshot.metadata.index = try number(LogIndex.self)
            configuration.applied = snapshot.metadata.index
        case "content": snapshot.data = Bytes(value)
        case "async-storage-writes": configuration.asyncStorageWrites = try flag()
        case "prevote": configuration.preVote = try flag()
        case "checkquorum": configuration.checkQuorum = try flag()
        case "max-committed-size-per-ready": configuration.maxCommittedSizePerReady = try number(UInt64.self)
        case "disable-conf-change-validation": configuration.disableConfChangeValidation = try flag()
        case "step-down-on-removal": configuration.stepDownOnRemoval = try flag()
        case "read-only":
            switch value {
            case "safe": configuration.readOnlyOption = .safe
            case "lease-based": configuration.readOnlyOption = .leaseBased
            default: complaint = "invalid read-only option \"\(value)\""
            }
        default: break
        }
    }

    /// A log that begins behind the snapshot, or an empty one.
    var storage: MemoryStorage { MemoryStorage(snapshot: snapshot) }
}

/// What `propose-conf-change` asks for.
struct ConfChangeProposal {
    private(set) var v1: ConfChange?
    private(set) var v2 = ConfChangeV2()

    init(_ directive: Directive) throws(InteractionEnvironment.Complaint) {
        var isV1 = false
        for argument in directive.arguments.dropFirst() {
            for value in argument.values {
                switch (argument.key, value) {
                case ("v1", _): isV1 = value == "true"
                case ("transition", "auto"): v2.transition = .auto
                case ("transition", "implicit"): v2.transition = .jointImplicit
                case ("transition", "explicit"): v2.transition = .jointExplicit
                case ("transition", _): throw .init("unknown transition \(value)")
                default: throw .init("unknown command \(argument.key)")
                }
            }
        }
        do throws(ConfChangeText.Malformed) {
            v2.changes = try ConfChangeText.parse(directive.input)
        } catch {
            throw .init(error.text)
        }
        guard isV1 else { return }
        guard v2.changes.count == 1, v2.transition == .auto else {
            throw .init("v1 conf change can only have one operation and no transition")
        }
        v1 = ConfChange(type: v2.changes[0].type, nodeID: v2.changes[0].nodeID)
    }
}
