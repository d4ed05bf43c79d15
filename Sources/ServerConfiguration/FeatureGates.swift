// Switches for features that are not yet, or no longer, a matter of course. A gate has a default by its maturity;
// AllAlpha and AllBeta move all gates of that maturity that are not set by name.

package enum FeatureGate: String, Sendable, CaseIterable {
    case allAlpha = "AllAlpha"
    case allBeta = "AllBeta"
    case compactHashCheck = "CompactHashCheck"
    case fastLeaseKeepAlive = "FastLeaseKeepAlive"
    case initialCorruptCheck = "InitialCorruptCheck"
    case leaseCheckpoint = "LeaseCheckpoint"
    case leaseCheckpointPersist = "LeaseCheckpointPersist"
    case priorityRequest = "PriorityRequest"
    case setMemberLocalAddr = "SetMemberLocalAddr"
    case stopGRPCServiceOnDefrag = "StopGRPCServiceOnDefrag"
    case txnModeWriteWithSharedBuffer = "TxnModeWriteWithSharedBuffer"

    package enum Maturity: String, Sendable {
        case alpha = "ALPHA"
        case beta = "BETA"
        /// Part of every member: the gate is locked to its default.
        case generallyAvailable = ""
    }

    package var maturity: Maturity {
        switch self {
        case .allBeta, .fastLeaseKeepAlive, .txnModeWriteWithSharedBuffer: .beta
        default: .alpha
        }
    }

    package var isOnByDefault: Bool {
        switch self {
        case .fastLeaseKeepAlive, .txnModeWriteWithSharedBuffer: true
        default: false
        }
    }
}

package struct FeatureGates: Sendable, Equatable, CustomStringConvertible {
    private var settings: [FeatureGate: Bool] = [:]

    package init() {}

    package func isEnabled(_ gate: FeatureGate) -> Bool { settings[gate] ?? gate.isOnByDefault }

    /// What has been set, as `Name=true,Other=false`, sorted by name.
    package var description: String {
        settings.map { "\($0.key.rawValue)=\($0.value)" }.sorted().joined(separator: ",")
    }

    /// The lines of the help text: every gate that may be set.
    package static var knownFeatures: [String] {
        FeatureGate.allCases.filter { $0.maturity != .generallyAvailable }
            .map { "\($0.rawValue)=true|false (\($0.maturity.rawValue) - default=\($0.isOnByDefault))" }
            .sorted()
    }

    /// Adds the settings of a list such as `CompactHashCheck=true,AllBeta=false`. Nothing changes on an error.
    mutating func set(_ text: String) throws(FlagValueError) {
        var named: [FeatureGate: Bool] = [:]
        for entry in text.split(separator: ",") {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].trimmed
            guard parts.count == 2 else { throw FlagValueError(sentence: "missing bool value for \(name)") }
            let valueText = parts[1].trimmed
            guard let value = try? GoNumbers.boolean(valueText) else {
                throw FlagValueError(
                    sentence: "invalid value of \(name)=\(valueText), err: strconv.ParseBool: parsing "
                        + "\"\(valueText)\": invalid syntax"
                )
            }
            guard let gate = FeatureGate(rawValue: name) else {
                throw FlagValueError(sentence: "unrecognized feature gate: \(name)")
            }
            if gate.maturity == .generallyAvailable, value != gate.isOnByDefault {
                throw FlagValueError(
                    sentence: "cannot set feature gate \(name) to \(value), feature is locked to \(gate.isOnByDefault)"
                )
            }
            named[gate] = value
        }
        settings.merge(named) { $1 }
        for (group, maturity) in [(FeatureGate.allAlpha, FeatureGate.Maturity.alpha), (.allBeta, .beta)] {
            guard let value = named[group] else { continue }
            for gate in FeatureGate.allCases where gate.maturity == maturity && settings[gate] == nil {
                settings[gate] = value
            }
        }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var slice = self
        while slice.first?.isWhitespace == true { slice.removeFirst() }
        while slice.last?.isWhitespace == true { slice.removeLast() }
        return String(slice)
    }
}
