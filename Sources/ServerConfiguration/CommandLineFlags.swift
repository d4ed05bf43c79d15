// The command line in the syntax of Go's flag package: `-name value`, `--name=value`, `-switch`, `-switch=false`;
// `--` and the first word without a dash end the flags.
import ServerLog

/// Flags as they stand on a command line, in order.
struct CommandLineFlags {
    /// Flags that were given, for `explicitlySet` and the conflict with the environment.
    var names: Set<String> = []
    /// Words behind the flags.
    var operands: [String] = []
    var configFile = ""
    var wantsVersion = false
    /// Names of flags that have no effect any more.
    var ignoredNames: [String] = []

    enum Problem: Error, Equatable {
        case help
        /// Go's sentence; usage follows it.
        case usage(String)
    }

    /// Reads `arguments` (without the program's name) into `configuration`.
    init(_ arguments: [String], into configuration: inout ServerConfiguration) throws(Problem) {
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            guard argument.utf8.count >= 2, argument.hasPrefix("-") else { break }
            index += 1
            if argument == "--" { break }
            let body = argument.hasPrefix("--") ? argument.dropFirst(2) : argument.dropFirst()
            if body.isEmpty || body.hasPrefix("-") || body.hasPrefix("=") {
                throw .usage("bad flag syntax: \(argument)")
            }
            let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let flag = FlagTable.byName[name] else {
                if name == "help" || name == "h" { throw .help }
                throw .usage("flag provided but not defined: -\(name)")
            }
            var value = parts.count == 2 ? String(parts[1]) : nil
            if value == nil, flag.isBoolean { value = "true" }
            if value == nil, index < arguments.count {
                value = arguments[index]
                index += 1
            }
            guard let value else { throw .usage("flag needs an argument: -\(name)") }
            try apply(flag, value, to: &configuration)
        }
        operands = Array(arguments[min(index, arguments.count)...])
    }

    private mutating func apply(
        _ flag: FlagDefinition,
        _ value: String,
        to configuration: inout ServerConfiguration
    ) throws(Problem) {
        do throws(FlagValueError) {
            try flag.set(value, in: &configuration)
        } catch {
            let kind =
                flag.isBoolean
                ? "invalid boolean value \(goQuoted(value)) for" : "invalid value \(goQuoted(value)) for flag"
            throw .usage("\(kind) -\(flag.name): \(error.sentence)")
        }
        names.insert(flag.name)
        switch flag.target {
        case .configFile: configFile = value
        case .version: wantsVersion = (try? GoNumbers.boolean(value)) ?? false
        case .ignored: ignoredNames.append(flag.name)
        default: break
        }
    }
}
