// Puts the pieces together in etcd's order: flags; then either a configuration file alone or the environment; then
// the checks; then the addresses derived from the name and the host. Keeps the lines etcd logs on the way.
import ServerLog

extension ServerConfiguration {
    /// Reads a member's configuration. Touches nothing outside its arguments.
    /// - Parameters:
    ///   - arguments: the whole command line, the program's name first.
    ///   - environment: variables by name.
    ///   - readFile: the content of a file; an error's description is shown as it is.
    ///   - defaultHost: the machine's address for others, asked once the settings are known.
    package static func parse(
        arguments: [String],
        environment: [String: String],
        readFile: (String) throws -> [UInt8],
        defaultHost: () -> DefaultHost = { .unknown }
    ) -> ConfigurationOutcome {
        var reader = ConfigurationReader(arguments: arguments, environment: environment)
        do throws(ConfigurationReader.Stop) {
            return try reader.read(readFile: readFile, defaultHost: defaultHost)
        } catch {
            return reader.outcome(of: error)
        }
    }
}

/// The machine's address as other machines reach it.
package enum DefaultHost: Sendable, Equatable {
    /// Not asked for; nothing is derived and nothing logged.
    case unknown
    case address(String)
    case failed(String)
}

struct ConfigurationReader {
    enum Stop: Error {
        case version
        case help
        /// A mistake in the syntax of the command line: sentence and usage.
        case usage(String)
        /// Printed as it is, without log lines.
        case plain(String)
        /// Logged as fatal by the line that was just added.
        case fatal(String)
        /// The settings make no sense together.
        case rejected(ConfigurationError)
    }

    private let arguments: [String]
    private let environment: [String: String]
    private var configuration = ServerConfiguration()
    private var lines: [ConfigurationLogLine] = []
    /// Whether the log settings have passed their checks, so that lines go to the configured logger.
    private var loggingIsReady = false

    /// Exit codes as etcd's: Go's flag package ends with 2.
    private static let usageExitCode: Int32 = 2
    private static let failureExitCode: Int32 = 1

    init(arguments: [String], environment: [String: String]) {
        self.arguments = arguments
        self.environment = environment
    }

    mutating func read(
        readFile: (String) throws -> [UInt8],
        defaultHost: () -> DefaultHost
    ) throws(Stop) -> ConfigurationOutcome {
        let flags = try readFlags()
        if let operand = flags.operands.first {
            throw .rejected(ConfigurationError("\(goQuoted(operand)) is not a valid flag"))
        }
        if flags.wantsVersion { throw .version }

        let configFile = flags.configFile.isEmpty ? environment["ETCD_CONFIG_FILE"] ?? "" : flags.configFile
        let defaultInitialCluster = ServerConfiguration().cluster.initialCluster
        if configFile.isEmpty {
            try readEnvironment(flags)
            try check()
        } else {
            try readConfigFile(configFile, readFile: readFile)
        }
        if configuration.requests.warningUnaryRequestDuration == .zero {
            configuration.requests.warningUnaryRequestDuration = RequestConfiguration().warningUnaryRequestDuration
        }
        for name in FlagTable.deprecated.keys.sorted() where configuration.explicitlySet.contains(name) {
            log(.warn, FlagTable.deprecated[name] ?? "")
        }

        logRunning()
        deriveAddresses(defaultHost: defaultHost(), defaultInitialCluster: defaultInitialCluster)
        if configuration.dataDirectory.isEmpty {
            configuration.dataDirectory = configuration.name + ".etcd"
            log(
                .warn,
                "'data-dir' was empty; using default",
                [.string("data-dir", configuration.dataDirectory)]
            )
        }
        return .run(configuration, warnings: lines)
    }

    mutating func outcome(of stop: Stop) -> ConfigurationOutcome {
        var failure = ConfigurationFailure(
            message: "",
            exitCode: Self.failureExitCode,
            standardErrorText: "",
            logLines: [],
            logging: nil
        )
        switch stop {
        case .version: return .printVersion
        case .help: return .printHelp
        case .usage(let sentence):
            failure.message = sentence
            failure.exitCode = Self.usageExitCode
            failure.standardErrorText = sentence + "\n" + HelpText.usage + "\n"
            return .failure(failure)
        case .plain(let sentence):
            failure.message = sentence
            failure.standardErrorText = sentence + "\n"
        case .fatal(let sentence):
            failure.message = sentence
        case .rejected(let error):
            logRunning()
            failure.message = error.description
            log(.warn, "failed to verify flags", [.error(error.description)])
            if error == .unsetAdvertiseClientURLs {
                log(.warn, "advertise client URLs are not set", [.error(error.description)])
            }
        }
        failure.logLines = lines
        failure.logging = loggingIsReady ? configuration.logging : nil
        return .failure(failure)
    }

    // MARK: Steps

    private mutating func readFlags() throws(Stop) -> CommandLineFlags {
        do throws(CommandLineFlags.Problem) {
            return try CommandLineFlags(Array(arguments.dropFirst()), into: &configuration)
        } catch {
            switch error {
            case .help: throw .help
            case .usage(let sentence): throw .usage(sentence)
            }
        }
    }

    private mutating func readEnvironment(_ flags: CommandLineFlags) throws(Stop) {
        var variables = environment
        if let value = variables.removeValue(forKey: "ETCD_VERSION"), !value.isEmpty {
            log(
                .warn,
                "cannot set special environment variable",
                [.string("key", "ETCD_VERSION"), .string("value", value)]
            )
        }
        for name in flags.ignoredNames { logIgnored(name) }

        var explicit = flags.names
        var used: Set<String> = []
        var shadowed: Set<String> = []
        var problem: ConfigurationError?
        for flag in FlagTable.all.sorted(by: { $0.name < $1.name }) {
            let key = flag.environmentVariable
            if flags.names.contains(flag.name) {
                shadowed.insert(key)
                continue
            }
            guard let value = variables[key], !value.isEmpty else { continue }
            used.insert(key)
            do throws(FlagValueError) {
                try flag.set(value, in: &configuration)
                explicit.insert(flag.name)
                if case .ignored = flag.target { logIgnored(flag.name) }
                log(
                    .info,
                    "recognized and used environment variable",
                    [.string("variable-name", key), .string("variable-value", value)]
                )
            } catch {
                problem = ConfigurationError("invalid value \(goQuoted(value)) for \(key): \(error.sentence)")
            }
        }
        for key in variables.keys.sorted() where !used.contains(key) {
            if shadowed.contains(key) {
                let sentence =
                    "conflicting environment variable is shadowed by corresponding command-line flag "
                    + "(either unset environment variable or disable flag))"
                log(.fatal, sentence, [.string("environment-variable", key)])
                throw .fatal(sentence)
            }
            if key.hasPrefix("ETCD_") {
                log(
                    .warn,
                    "unrecognized environment variable",
                    [.string("environment-variable", "\(key)=\(variables[key] ?? "")")]
                )
            }
        }
        if problem == nil { problem = readDefaults(&explicit) }
        if let problem { throw .rejected(problem) }

        configuration.explicitlySet = explicit
        raisePeerTimeouts()
        if explicit.contains("listen-client-urls"), !explicit.contains("advertise-client-urls") {
            configuration.listen.advertiseClientURLs = []
        }
        let discovery = configuration.cluster.discovery
        if !discovery.srvDomain.isEmpty || !discovery.srvServiceName.isEmpty || !discovery.endpoints.isEmpty,
            !explicit.contains("initial-cluster")
        {
            configuration.cluster.initialCluster = ""
        }
    }

    private mutating func readDefaults(_ explicit: inout Set<String>) -> ConfigurationError? {
        guard let text = environment[SurroundingDefaults.variable] else { return nil }
        do throws(ConfigurationError) {
            for setting in try SurroundingDefaults(text).settings(beside: explicit) {
                do throws(FlagValueError) {
                    try setting.flag.set(setting.value, in: &configuration)
                } catch {
                    return ConfigurationError(
                        "invalid value \(goQuoted(setting.value)) for \(setting.flag.name) in "
                            + "\(SurroundingDefaults.variable): \(error.sentence)")
                }
                explicit.insert(setting.flag.name)
                log(
                    .info,
                    "used a default of the surroundings",
                    [
                        .string("variable-name", SurroundingDefaults.variable), .string("flag-name", setting.flag.name),
                        .string("value", setting.value),
                    ]
                )
            }
        } catch {
            return error
        }
        return nil
    }

    private mutating func raisePeerTimeouts() {
        let floor = RaftConfiguration.peerTimeoutFloor
        if configuration.raft.peerReadTimeout < floor {
            configuration.raft.peerReadTimeout = floor
            log(.info, "raft-read-timeout increased to minimum value: \(floor)")
        }
        if configuration.raft.peerWriteTimeout < floor {
            configuration.raft.peerWriteTimeout = floor
            log(.info, "raft-write-timeout increased to minimum value: \(floor)")
        }
    }

    private mutating func readConfigFile(
        _ path: String,
        readFile: (String) throws -> [UInt8]
    ) throws(Stop) {
        // Flags don't count once there is a file: start again from the defaults.
        configuration = ServerConfiguration()
        let content: [UInt8]
        do {
            content = try readFile(path)
        } catch {
            throw .rejected(ConfigurationError(String(describing: error)))
        }
        do throws(ConfigurationFile.Problem) {
            try ConfigurationFile.apply(content, to: &configuration)
        } catch {
            switch error {
            case .plain(let sentence): throw .plain(sentence)
            case .rejected(let sentence):
                configuration.logging = LoggingConfiguration()
                throw .rejected(ConfigurationError(sentence))
            }
        }
        var failure: Stop?
        do throws(Stop) {
            try check()
        } catch {
            failure = error
        }
        if loggingIsReady {
            log(
                .info,
                "loaded server configuration, other configuration command line flags and environment variables "
                    + "will be ignored if provided",
                [.string("path", path)]
            )
        }
        if let failure { throw failure }
    }

    private mutating func check() throws(Stop) {
        var checks = ConfigurationChecks()
        var problem: ConfigurationError?
        do throws(ConfigurationError) {
            try checks.run(on: configuration)
        } catch {
            problem = error
        }
        loggingIsReady = checks.loggingPassed
        for warning in checks.warnings { log(.warn, warning.message, warning.fields) }
        if let problem { throw .rejected(problem) }
    }

    /// Addresses that are left at their defaults follow the name and, where the member listens on all interfaces,
    /// the machine's own address.
    private mutating func deriveAddresses(defaultHost: DefaultHost, defaultInitialCluster: String) {
        var usedHost: String?
        if case .address(let host) = defaultHost {
            if let listen = configuration.listen.peerURLs.first, listen.hostname == "0.0.0.0",
                configuration.listen.advertisePeerURLs == [.localPeer]
            {
                configuration.listen.advertisePeerURLs = [EndpointURL(scheme: .http, host: "\(host):\(listen.port)")]
                usedHost = host
            }
            if let listen = configuration.listen.clientURLs.first, listen.hostname == "0.0.0.0",
                configuration.listen.advertiseClientURLs == [.localClient]
            {
                configuration.listen.advertiseClientURLs = [EndpointURL(scheme: .http, host: "\(host):\(listen.port)")]
                usedHost = host
            }
        }
        if configuration.name != ServerConfiguration.defaultName,
            configuration.cluster.initialCluster == defaultInitialCluster
        {
            configuration.cluster.initialCluster = configuration.initialClusterFromName
        }
        if let usedHost { log(.info, "detected default host for advertise", [.string("host", usedHost)]) }
        if case .failed(let reason) = defaultHost {
            log(.info, "failed to detect default host", [.error(reason)])
        }
    }

    // MARK: Lines

    private mutating func logRunning() {
        log(.info, "Running: ", [.strings("args", arguments)])
    }

    private mutating func logIgnored(_ name: String) {
        log(.warn, "flag is no longer supported - ignoring", [.string("flag-name", name)])
    }

    private mutating func log(
        _ level: LogLevel,
        _ message: String,
        _ fields: [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        lines.append(
            ConfigurationLogLine(
                logger: loggingIsReady ? .configured : .standard,
                level: level,
                message: message,
                fields: fields,
                caller: "\(file):\(line)"
            )
        )
    }
}
