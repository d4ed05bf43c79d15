// What this version refuses because it is not built yet. A setting that would be silently without effect is worse
// than one that is refused: every flag whose feature is missing has a row here, and loses it with the change that
// builds the feature. A flag at its default is always fine.

package enum BuiltFeatures {
    /// Gates that have an effect, or need none.
    private static let built: Set<FeatureGate> = [
        .initialCorruptCheck, .compactHashCheck, .leaseCheckpoint, .leaseCheckpointPersist, .allBeta,
    ]

    static let notBuiltYet = "not built yet in this version of etcd in Swift"

    /// A flag, or some values of it, that cannot be used yet.
    package struct Refusal: Sendable {
        package let flag: String
        /// Whether the configuration asks for what is missing.
        package let isAskedFor: @Sendable (ServerConfiguration) -> Bool
        /// What exactly is missing, if not the whole flag.
        package let detail: String?
    }

    /// The sentence for the first refused setting, in the table's order; nil if all that is asked for is there.
    package static func refusal(
        of configuration: ServerConfiguration, _ refusals: [Refusal] = BuiltFeatures.refusals
    ) -> String? {
        guard let row = refusals.first(where: { $0.isAskedFor(configuration) }) else { return nil }
        let subject = row.detail.map { "--\(row.flag) (\($0))" } ?? "--\(row.flag)"
        return "\(subject): \(notBuiltYet)"
    }

    package static let refusals: [Refusal] =
        [
            // Features switched on or off by name; all that exist are built in or not built at all.
            asked("feature-gates", "one of those that are not built") { configuration in
                FeatureGate.allCases.contains { gate in
                    !built.contains(gate) && configuration.featureGates.isEnabled(gate) != gate.isOnByDefault
                }
            },
        ]

    private static func asked(
        _ flag: String,
        _ detail: String,
        _ isAskedFor: @escaping @Sendable (ServerConfiguration) -> Bool
    ) -> Refusal {
        Refusal(flag: flag, isAskedFor: isAskedFor, detail: detail)
    }
}
