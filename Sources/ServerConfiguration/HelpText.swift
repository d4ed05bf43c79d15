// The texts of --help and --version. The structure is etcd's, so that people find their way; the flags come from
// the flag table with their defaults.

package enum HelpText {
    /// Printed to standard error in front of the help, and behind a sentence about a mistake.
    package static let usage = """
        Usage:

          etcd [flags]
            Start an etcd server.

          etcd --version
            Show the version of etcd.

          etcd -h | --help
            Show what etcd can be told.

          etcd --config-file
            Read all settings from a YAML or JSON file. Other flags and environment variables then don't count.
            Durations in the file are whole nanoseconds (600000000000 for 10m); texts such as "10m" are for the
            command line.

          etcd gateway
            Forward TCP connections to etcd servers.

          etcd grpc-proxy
            Serve the etcd API as a proxy without data of its own.

        """

    /// Printed to standard output.
    package static var flags: String {
        let defaults = ServerConfiguration()
        var text = ""
        for group in FlagDefinition.Group.allCases where group != .hidden {
            text += "\n\(group.rawValue):\n"
            for flag in FlagTable.all where flag.group == group {
                text += "  --\(flag.name) '\(flag.shownDefault ?? flag.text(in: defaults))'\n    \(flag.help)\n"
                if case .featureGates = flag.target {
                    for feature in FeatureGates.knownFeatures { text += "    \(feature)\n" }
                }
            }
        }
        return text + """

            CAUTION: unsafe flags may break the guarantees of the consensus protocol.

            """
    }

    /// The version whose behaviour this program has.
    package static let etcdVersion = "3.7.1"

    /// The compiler the program is built with.
    package static let swiftVersion = "6.3.1"

    #if arch(arm64)
    package static let architecture = "arm64"
    #else
    package static let architecture = "amd64"
    #endif

    /// The four lines of --version.
    package static func version(gitSHA: String) -> String {
        """
        etcd Version: \(etcdVersion)
        Git SHA: \(gitSHA)
        Swift Version: \(swiftVersion)
        Go OS/Arch: linux/\(architecture)

        """
    }
}
