// What a flag is: its name, where its value goes, under which heading the help shows it, and its place in a
// configuration file. Command line, environment, file, help and the refusal of unbuilt features all work on one
// table of these (`FlagTable`), so a flag is written down once.
import ServerLog

struct FlagDefinition: Sendable {
    typealias Field<Value> = any WritableKeyPath<ServerConfiguration, Value> & Sendable

    /// How a text becomes a value, and which setting receives it. Names follow Go's types, for Go's error sentences
    /// name them.
    enum Target: Sendable {
        case string(Field<String>)
        case bool(Field<Bool>)
        case uint(Field<UInt64>)
        case uint64(Field<UInt64>)
        case uint32(Field<UInt32>)
        case int(Field<Int64>)
        case int64(Field<Int64>)
        case duration(Field<GoDuration>)
        /// Comma-separated list of endpoint URLs.
        case urls(Field<[EndpointURL]>)
        /// `*` or a list of origins.
        case origins(Field<[String]>)
        /// Comma-separated list, kept in order.
        case strings(Field<[String]>)
        /// Comma-separated set, kept sorted.
        case uniqueStrings(Field<[String]>)
        case choice(Field<String>, [String])
        case choices(Field<[String]>, [String])
        case featureGates
        /// Accepted for old command lines, with a warning.
        case ignored
        case configFile
        case version
    }

    enum Group: String, Sendable, CaseIterable {
        case member = "Member"
        case clustering = "Clustering"
        case security = "Security"
        case auth = "Auth"
        case profiling = "Profiling and Monitoring"
        case logging = "Logging"
        case tracing = "Distributed tracing"
        case features = "Features"
        case unsafe = "Unsafe feature"
        /// Not shown in the help text.
        case hidden = ""
    }

    let name: String
    let target: Target
    let group: Group
    /// Dotted path in a configuration file; nil if a file cannot set it.
    let fileKey: String?
    let help: String
    /// Shown in the help text in place of the default value.
    let shownDefault: String?

    init(
        _ name: String,
        _ target: Target,
        _ group: Group,
        file fileKey: FileKey = .sameAsName,
        shows shownDefault: String? = nil,
        _ help: String
    ) {
        self.name = name
        self.target = target
        self.group = group
        self.help = help
        self.shownDefault = shownDefault
        switch fileKey {
        case .sameAsName: self.fileKey = name
        case .path(let path): self.fileKey = path
        case .none: self.fileKey = nil
        }
    }

    enum FileKey: Sendable {
        case sameAsName
        case path(String)
        case none
    }

    var environmentVariable: String { "ETCD_" + name.uppercased().replacing("-", with: "_") }

    /// Whether `-name` alone, without a value, means true.
    var isBoolean: Bool {
        switch target {
        case .bool, .ignored, .version: true
        default: false
        }
    }

    /// The value as the help text and comparisons show it.
    func text(in configuration: ServerConfiguration) -> String {
        switch target {
        case .string(let field), .choice(let field, _): configuration[keyPath: field]
        case .bool(let field): String(configuration[keyPath: field])
        case .uint(let field), .uint64(let field): String(configuration[keyPath: field])
        case .uint32(let field): String(configuration[keyPath: field])
        case .int(let field), .int64(let field): String(configuration[keyPath: field])
        case .duration(let field): configuration[keyPath: field].description
        case .urls(let field): configuration[keyPath: field].map(\.description).joined(separator: ",")
        case .strings(let field), .uniqueStrings(let field), .origins(let field), .choices(let field, _):
            configuration[keyPath: field].joined(separator: ",")
        case .featureGates: configuration.featureGates.description
        case .ignored, .configFile: ""
        case .version: "false"
        }
    }

    /// Puts the value meant by `text` into `configuration`, as the command line and the environment do.
    func set(_ text: String, in configuration: inout ServerConfiguration) throws(FlagValueError) {
        switch target {
        case .string(let field): configuration[keyPath: field] = text
        case .bool(let field): configuration[keyPath: field] = try GoNumbers.boolean(text)
        case .uint(let field), .uint64(let field): configuration[keyPath: field] = try GoNumbers.unsigned(text)
        case .uint32(let field):
            do throws(FlagValueError) {
                configuration[keyPath: field] = UInt32(try GoNumbers.unsigned(text, maximum: UInt64(UInt32.max)))
            } catch {
                let reason = error == .range ? "value out of range" : "invalid syntax"
                throw FlagValueError(sentence: "strconv.ParseUint: parsing \(goQuoted(text)): \(reason)")
            }
        case .int(let field), .int64(let field): configuration[keyPath: field] = try GoNumbers.signed(text)
        case .duration(let field):
            guard let duration = try? GoDuration(parsing: text) else { throw .syntax }
            configuration[keyPath: field] = duration
        case .urls(let field):
            // An empty text leaves the list as it is: etcd's URL flags make an exception for it.
            if text.isEmpty { return }
            configuration[keyPath: field] = try Self.uniqueURLs(text)
        case .origins(let field):
            configuration[keyPath: field] = text == "*" ? ["*"] : try Self.uniqueURLs(text).map(\.description)
        case .strings(let field): configuration[keyPath: field] = Self.parts(text)
        case .uniqueStrings(let field): configuration[keyPath: field] = Set(Self.parts(text)).sorted()
        case .choice(let field, let choices):
            if !choices.contains(text) { throw FlagValueError(sentence: "invalid value") }
            configuration[keyPath: field] = text
        case .choices(let field, let choices):
            let values = Self.parts(text)
            for value in values where !choices.contains(value) {
                throw FlagValueError(sentence: "invalid value \(goQuoted(value))")
            }
            configuration[keyPath: field] = (configuration[keyPath: field] + values).sorted()
        case .featureGates: try configuration.featureGates.set(text)
        case .ignored, .configFile: break
        case .version: _ = try GoNumbers.boolean(text)
        }
    }

    private static func parts(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func uniqueURLs(_ text: String) throws(FlagValueError) -> [EndpointURL] {
        do throws(EndpointURLError) {
            var seen: Set<String> = []
            return try EndpointURL.list(text).filter { seen.insert($0.description).inserted }
        } catch {
            throw FlagValueError(sentence: error.description)
        }
    }
}
