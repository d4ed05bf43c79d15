// A configuration file: YAML, or JSON as its subset, with one key per setting. etcd turns YAML into JSON and reads
// that into a Go struct; the consequences are kept: keys match in any case, unknown keys are skipped, lists of URLs
// are comma-separated texts, durations are nanoseconds, and a value of the wrong type is told in Go's words.
import ServerLog

enum ConfigurationFile {
    enum Problem: Error, Equatable {
        /// Printed without log lines.
        case plain(String)
        case rejected(String)
    }

    static func apply(_ content: [UInt8], to configuration: inout ServerConfiguration) throws(Problem) {
        let document: YAMLValue
        do throws(YAMLProblem) {
            document = try YAMLValue(parsing: content)
        } catch {
            throw .rejected("error converting YAML to JSON: yaml: \(error.sentence)")
        }
        let members: [(key: String, value: YAMLValue)]
        switch document {
        case .null: members = []
        case .object(let object): members = object
        default: throw typeMismatch(document, "Go value of type embed.configYAML")
        }

        let defaults = configuration
        var reader = Reader(configuration: configuration)
        try reader.read(members, section: "")
        configuration = reader.configuration
        for (key, value) in members {
            configuration.explicitlySet.insert(key)
            if key == "peer-transport-security", case .object(let section) = value {
                for entry in section { configuration.explicitlySet.insert("peer-\(entry.key)") }
            }
        }
        let discovery = configuration.cluster.discovery
        if !discovery.srvDomain.isEmpty || !discovery.endpoints.isEmpty,
            configuration.cluster.initialCluster == defaults.cluster.initialCluster
        {
            configuration.cluster.initialCluster = ""
        }
        if configuration.cluster.initialClusterStateText.isEmpty {
            configuration.cluster.initialClusterStateText = InitialClusterState.new.rawValue
        }
        if configuration.security.selfSignedCertValidityYears == 0 {
            configuration.security.selfSignedCertValidityYears = 1
        }
    }

    private static func typeMismatch(_ value: YAMLValue, _ place: String) -> Problem {
        .rejected("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal \(value.kind) into \(place)")
    }

    /// Sections of the file with the name of the Go type they are read into.
    private static let sectionTypes = [
        "client-transport-security": "embed.securityConfig",
        "peer-transport-security": "embed.securityConfig",
        "socket-options": "transport.SocketOpts",
        "discovery-config": "v3discovery.DiscoveryConfig",
        "discovery-config.client": "clientv3.ConfigSpec",
        "discovery-config.client.secure": "clientv3.SecureConfig",
        "discovery-config.client.auth": "clientv3.AuthConfig",
    ]

    /// Go's words for where a value was to go: the innermost struct's name and the whole path.
    private static func place(_ path: String, _ type: String) -> String {
        let section = path.split(separator: ".").dropLast().joined(separator: ".")
        let structName = sectionTypes[section]?.split(separator: ".").last ?? "configYAML"
        return "Go struct field \(structName).\(path) of type \(type)"
    }

    private static let flagsByFileKey = Dictionary(
        uniqueKeysWithValues: FlagTable.all.compactMap { flag in flag.fileKey.map { ($0, flag) } }
    )

    private struct Reader {
        var configuration: ServerConfiguration

        /// Reads the members of one section, in the order of their names as in JSON made from a Go map.
        mutating func read(_ members: [(key: String, value: YAMLValue)], section: String) throws(Problem) {
            for (key, value) in members.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
                if case .null = value { continue }
                let path = section.isEmpty ? key : "\(section).\(key)"
                let knownPath =
                    ConfigurationFile.flagsByFileKey[path] != nil || ConfigurationFile.sectionTypes[path] != nil
                    ? path : path.lowercased()
                if let type = ConfigurationFile.sectionTypes[knownPath] {
                    guard case .object(let object) = value else {
                        throw typeMismatch(value, ConfigurationFile.place(knownPath, type))
                    }
                    try read(object, section: knownPath)
                } else if let flag = ConfigurationFile.flagsByFileKey[knownPath] {
                    try set(flag, path: knownPath, value)
                }
            }
        }

        private mutating func set(_ flag: FlagDefinition, path: String, _ value: YAMLValue) throws(Problem) {
            switch flag.target {
            case .string(let field), .choice(let field, _):
                configuration[keyPath: field] = try string(value, path)
            case .bool(let field):
                guard case .bool(let flagValue) = value else { throw mismatch(value, path, "bool") }
                configuration[keyPath: field] = flagValue
            case .uint(let field): configuration[keyPath: field] = try integer(value, path, "uint")
            case .uint64(let field): configuration[keyPath: field] = try integer(value, path, "uint64")
            case .uint32(let field): configuration[keyPath: field] = try integer(value, path, "uint32")
            case .int(let field): configuration[keyPath: field] = try integer(value, path, "int")
            case .int64(let field): configuration[keyPath: field] = try integer(value, path, "int64")
            case .duration(let field):
                configuration[keyPath: field].nanoseconds = try integer(value, path, "time.Duration")
            case .urls(let field): try setURLs(field, path: path, value)
            case .strings(let field): configuration[keyPath: field] = try strings(value, path)
            case .uniqueStrings(let field):
                // Host names come as one text, outputs and endpoints as a list.
                if flag.name == "host-whitelist" {
                    try setThroughFlag(flag, path: path, value)
                } else {
                    configuration[keyPath: field] = try strings(value, path)
                }
            case .choices(let field, _): configuration[keyPath: field] = [try string(value, path)]
            case .origins, .featureGates: try setThroughFlag(flag, path: path, value)
            case .ignored, .configFile, .version: break
            }
        }

        /// A value that is written in the file as on the command line.
        private mutating func setThroughFlag(
            _ flag: FlagDefinition,
            path: String,
            _ value: YAMLValue
        ) throws(Problem) {
            let text = try string(value, path)
            if text.isEmpty { return }
            do throws(FlagValueError) {
                try flag.set(text, in: &configuration)
            } catch {
                throw .rejected(error.sentence)
            }
        }

        private mutating func setURLs(
            _ field: FlagDefinition.Field<[EndpointURL]>,
            path: String,
            _ value: YAMLValue
        ) throws(Problem) {
            let text = try string(value, path)
            if text.isEmpty { return }
            do throws(EndpointURLError) {
                configuration[keyPath: field] = try EndpointURL.list(text)
            } catch {
                // Go's etcd has the wrong name in this one sentence.
                let name = path == "advertise-client-urls" ? "advertise-peer-urls" : path
                throw .plain("unexpected error setting up \(name): \(error.description)")
            }
        }

        private func string(_ value: YAMLValue, _ path: String) throws(Problem) -> String {
            guard case .string(let text) = value else { throw mismatch(value, path, "string") }
            return text
        }

        private func strings(_ value: YAMLValue, _ path: String) throws(Problem) -> [String] {
            guard case .array(let elements) = value else { throw mismatch(value, path, "[]string") }
            var texts: [String] = []
            for element in elements {
                if case .null = element {
                    texts.append("")
                } else {
                    texts.append(try string(element, path))
                }
            }
            return texts
        }

        private func integer<Integer: FixedWidthInteger>(
            _ value: YAMLValue,
            _ path: String,
            _ type: String
        ) throws(Problem) -> Integer {
            guard case .number(let text) = value else { throw mismatch(value, path, type) }
            guard let number = Integer(text) else {
                throw ConfigurationFile.typeMismatch(value, detail: text, ConfigurationFile.place(path, type))
            }
            return number
        }

        private func mismatch(_ value: YAMLValue, _ path: String, _ type: String) -> Problem {
            ConfigurationFile.typeMismatch(value, ConfigurationFile.place(path, type))
        }
    }

    private static func typeMismatch(_ value: YAMLValue, detail: String, _ place: String) -> Problem {
        .rejected(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal \(value.kind) \(detail) into \(place)"
        )
    }
}
