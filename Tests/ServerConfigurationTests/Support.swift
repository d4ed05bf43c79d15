// Helpers shared by the tests of this room.
import ServerConfiguration
import ServerLog
import Testing

struct FileMissing: Error, CustomStringConvertible {
    let description: String
}

/// Reads a configuration with the command line `etcd <arguments>`; `file` is the content of every file.
func read(
    _ arguments: [String],
    environment: [String: String] = [:],
    file: String? = nil,
    defaultHost: DefaultHost = .unknown
) -> ConfigurationOutcome {
    ServerConfiguration.parse(
        arguments: ["etcd"] + arguments,
        environment: environment,
        readFile: { path in
            guard let file else { throw FileMissing(description: "open \(path): no such file or directory") }
            return Array(file.utf8)
        },
        defaultHost: { defaultHost }
    )
}

/// The configuration of a start that must succeed, and its lines.
func run(
    _ arguments: [String],
    environment: [String: String] = [:],
    file: String? = nil,
    defaultHost: DefaultHost = .unknown
) throws -> (configuration: ServerConfiguration, lines: [ConfigurationLogLine]) {
    let outcome = read(arguments, environment: environment, file: file, defaultHost: defaultHost)
    guard case .run(let configuration, let lines) = outcome else {
        throw FileMissing(description: "not started: \(outcome)")
    }
    return (configuration, lines)
}

/// The failure of a start that must fail.
func fail(_ arguments: [String], environment: [String: String] = [:], file: String? = nil) throws
    -> ConfigurationFailure
{
    let outcome = read(arguments, environment: environment, file: file)
    guard case .failure(let failure) = outcome else { throw FileMissing(description: "no failure: \(outcome)") }
    return failure
}

/// A small generator for reproducible tests (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
