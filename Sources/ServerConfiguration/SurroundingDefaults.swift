// Defaults that an image or a unit file brings along. They cannot be flags or ETCD_ variables: a flag would conflict with
// a user's variable and a variable with a user's flag, and etcd refuses both.

import ServerLog

/// The settings of the variable `SWIFT_ETCD_DEFAULTS`: groups between semicolons, of settings between spaces, such as
/// `data-dir=/var/lib/etcd; listen-client-urls=http://0.0.0.0:2379 advertise-client-urls=http://localhost:2379`.
///
/// A group counts only if the user gave none of its settings, by flag or by variable: who chooses the address to listen on
/// must also choose the one to advertise, as without the group. With a configuration file no group counts.
struct SurroundingDefaults {
    static let variable = "SWIFT_ETCD_DEFAULTS"

    struct Setting {
        let flag: FlagDefinition
        let value: String
    }

    let groups: [[Setting]]

    init(_ text: String) throws(ConfigurationError) {
        var groups: [[Setting]] = []
        for group in text.split(separator: ";") {
            var settings: [Setting] = []
            for word in group.split(separator: " ") {
                let parts = word.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let flag = FlagTable.byName[String(parts[0])] else {
                    throw ConfigurationError(
                        "\(Self.variable): \(goQuoted(String(word))) is not a setting of the form name=value"
                    )
                }
                settings.append(Setting(flag: flag, value: String(parts[1])))
            }
            groups.append(settings)
        }
        self.groups = groups
    }

    /// The settings that count beside what the user gave.
    func settings(beside explicit: Set<String>) -> [Setting] {
        groups.filter { group in !group.contains { explicit.contains($0.flag.name) } }.flatMap { $0 }
    }
}
