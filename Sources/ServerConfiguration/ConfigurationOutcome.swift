// What reading the command line, the environment and the configuration file comes to. Reading is pure: lines to
// log and texts to print are part of the result, the program only carries them out.
package import ServerLog

package enum ConfigurationOutcome: Sendable {
    /// Start the member. The lines are those etcd would have logged up to here, "Running: " included.
    case run(ServerConfiguration, warnings: [ConfigurationLogLine])
    case printVersion
    case printHelp
    case failure(ConfigurationFailure)
}

/// A line to log once there is a logger.
package struct ConfigurationLogLine: Sendable, Equatable {
    package enum Logger: Sendable {
        /// Before the log settings are known: `ServerLogger.standard()`.
        case standard
        /// The logger the configuration asks for.
        case configured
    }

    package var logger: Logger
    package var level: LogLevel
    package var message: String
    package var fields: [LogField]
    /// Source file and line.
    package var caller: String

    package func write(to logger: ServerLogger) {
        logger.write(level, message, caller: caller, fields: fields)
    }
}

/// Why the member cannot start.
package struct ConfigurationFailure: Error, Sendable, Equatable {
    /// etcd's sentence.
    package var message: String
    package var exitCode: Int32
    /// Text for standard error, with its line feed; empty if the lines say it all.
    package var standardErrorText: String
    /// Lines to log before ending.
    package var logLines: [ConfigurationLogLine]
    /// The configuration as far as its log settings passed their checks: `configured` lines go to its logger.
    package var logging: LoggingConfiguration?
}

/// A sentence about a setting that cannot be used.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    static let unsetAdvertiseClientURLs = ConfigurationError(
        "--advertise-client-urls is required when --listen-client-urls is set explicitly"
    )
    static let conflictingBootstrapFlags = ConfigurationError(
        "multiple discovery or bootstrap flags are set. "
            + "Choose one of \"initial-cluster\", \"discovery-endpoints\" or \"discovery-srv\""
    )
}
