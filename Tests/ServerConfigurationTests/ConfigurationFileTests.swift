// Configuration files, good and bad, and random damage to them and to command lines.
import ServerConfiguration
import ServerLog
import Testing

@Suite struct ConfigurationFileTests {
    private static let sample = """
        # A member.
        name: 'm1'
        data-dir: /var/lib/etcd
        heartbeat-interval: 200
        Election-Timeout: 2_000
        quota-backend-bytes: 0x40000000
        listen-client-urls: http://127.0.0.1:2379,http://10.0.0.1:2379
        advertise-client-urls: http://10.0.0.1:2379
        pre-vote: no
        grpc-keepalive-interval: 600000000000
        log-outputs: [stderr, "/tmp/x.log"]
        log-level:
        cors: "*"
        auto-compaction-retention: "1"
        feature-gates: CompactHashCheck=true
        unknown-key: {a: [1, 2]}
        peer-transport-security:
          cert-file: ""
        max-snapshots: 3

        """

    @Test func aFileSetsEverything() throws {
        let (configuration, lines) = try run(
            ["--config-file", "f.yml", "--name", "other"],
            environment: ["ETCD_NAME": "third"],
            file: Self.sample
        )
        #expect(configuration.name == "m1")
        #expect(configuration.dataDirectory == "/var/lib/etcd")
        #expect(configuration.raft.heartbeatMilliseconds == 200)
        #expect(configuration.raft.electionMilliseconds == 2000)
        #expect(configuration.storage.quotaBackendBytes == 1 << 30)
        #expect(
            configuration.listen.clientURLs.map(\.description) == ["http://10.0.0.1:2379", "http://127.0.0.1:2379"]
        )
        #expect(!configuration.raft.preVote)
        #expect(configuration.requests.keepAliveInterval == .minutes(10))
        #expect(configuration.logging.outputs == ["stderr", "/tmp/x.log"])
        #expect(configuration.logging.level == .info)
        #expect(configuration.storage.autoCompaction == .periodic(.hours(1)))
        #expect(configuration.featureGates.isEnabled(.compactHashCheck))
        #expect(configuration.explicitlySet.isSuperset(of: ["name", "unknown-key", "peer-cert-file"]))
        #expect(configuration.cluster.initialCluster == "m1=http://localhost:2380")
        let loaded = lines.first { $0.message.hasPrefix("loaded server configuration, other configuration") }
        #expect(loaded?.fields == [.string("path", "f.yml")])
        #expect(lines.contains { $0.message.hasPrefix("--max-snapshots is deprecated") })
        #expect(!lines.contains { $0.message.contains("environment variable") && $0.level != .info })
    }

    @Test func theFileMayBeNamedByTheEnvironmentAndMayBeJSONOrEmpty() throws {
        let json = #"{"name": "j", "pre-vote": false, "log-outputs": ["stdout"], "max-txn-ops": 7}"#
        let configuration = try run([], environment: ["ETCD_CONFIG_FILE": "f"], file: json).configuration
        #expect(configuration.name == "j")
        #expect(configuration.requests.maxTxnOps == 7)
        #expect(try run(["--config-file", "f"], file: "").configuration.name == "default")
    }

    @Test func anchorsBlocksAndTagsMeanWhatTheyMeanInYAML() throws {
        let file = """
            ---
            log-outputs: &outputs
              - stderr
            name: !!str 12
            data-dir: |-
              /a b
            unknown-key: *outputs
            unknown-too: {deep: *outputs}
            initial-cluster-token: >-
              a
              b
            ...

            """
        let configuration = try run(["--config-file", "f"], file: file).configuration
        #expect(configuration.name == "12")
        #expect(configuration.dataDirectory == "/a b")
        #expect(configuration.logging.outputs == ["stderr"])
        #expect(configuration.cluster.initialClusterToken == "a b")
    }

    private static let unmarshal = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "

    @Test(arguments: [
        ("name: 123\nsnapshot-count: abc\n", unmarshal + "number into Go struct field configYAML.name of type string"),
        ("name: [a]\n", unmarshal + "array into Go struct field configYAML.name of type string"),
        (
            "grpc-keepalive-min-time: 10m\n",
            unmarshal + "string into Go struct field configYAML.grpc-keepalive-min-time of type time.Duration"
        ),
        ("- a\n", unmarshal + "array into Go value of type embed.configYAML"),
        (
            "pre-vote: \"x\"\nclient-transport-security: 3\nlog-outputs: x\n",
            unmarshal
                + "number into Go struct field configYAML.client-transport-security of type embed.securityConfig"
        ),
        (
            "client-transport-security:\n  cert-file: 3\n",
            unmarshal + "number into Go struct field securityConfig.client-transport-security.cert-file of type string"
        ),
        ("log-outputs: x\n", unmarshal + "string into Go struct field configYAML.log-outputs of type []string"),
        ("name: y\nheartbeat-interval: 0\n", unmarshal + "bool into Go struct field configYAML.name of type string"),
        (
            "election-timeout: 1e1\n",
            "--election-timeout[10ms] should be at least as 5 times as --heartbeat-interval[100ms]"
        ),
        (
            "Heartbeat-Interval: 1_0\nelection-timeout: 3\n",
            "--election-timeout[3ms] should be at least as 5 times as --heartbeat-interval[10ms]"
        ),
        ("pre-vote: \"x\"\n", unmarshal + "string into Go struct field configYAML.pre-vote of type bool"),
        ("snapshot-count: -3\n", unmarshal + "number -3 into Go struct field configYAML.snapshot-count of type uint64"),
        (
            "snapshot-count: 3.5\n",
            unmarshal + "number 3.5 into Go struct field configYAML.snapshot-count of type uint64"
        ),
        ("name: [1\n", "error converting YAML to JSON: yaml: line "),
        ("a: b: c\n", "error converting YAML to JSON: yaml: "),
        ("heartbeat-interval: 0\n---\nheartbeat-interval: 1\n", "--heartbeat-interval must be >0 (set to 0ms)"),
        ("name: *b\n", "error converting YAML to JSON: yaml: unknown anchor 'b' referenced"),
        ("name: @a\n", "error converting YAML to JSON: yaml: found character that cannot start any token"),
        ("name: a\nname: @a\n", "error converting YAML to JSON: yaml: line 2: found character that cannot start any token"),
        ("name: [1\n", "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'"),
        ("x: &a 1\n<<: *a\n", "error converting YAML to JSON: yaml: map merge requires map or sequence of maps as the value"),
        ("feature-gates: X=true\n", "unrecognized feature gate: X"),
        ("initial-cluster-state: x\n", "unexpected clusterState \"x\""),
        ("heartbeat-interval: 0\n", "--heartbeat-interval must be >0 (set to 0ms)"),
    ])
    func mistakesInFiles(file: String, sentence: String) throws {
        let failure = try fail(["--config-file", "f"], file: file)
        if sentence.hasPrefix("error converting") {
            #expect(failure.message.hasPrefix(sentence))
        } else {
            #expect(failure.message == sentence)
        }
        #expect(failure.exitCode == 1)
        #expect(failure.logLines.last?.message == "failed to verify flags")
    }

    @Test func theLastOfAKeyCountsAndMappingsCanBeMerged() throws {
        let file = """
            x: &one {cert-file: /c, key-file: /k, trusted-ca-file: /t}
            y: &two {cert-file: /d, client-cert-auth: true}
            client-transport-security:
              <<: [*two, *one]
              key-file: /own
            peer-transport-security:
              key-file: /own
              <<: *one
            name: first
            "<<": {name: no merge}
            name: last
            """
        let configuration = try run(["--config-file", "f"], file: file).configuration
        #expect(configuration.name == "last")
        let client = configuration.security.client
        #expect(client.certFile == "/d" && client.keyFile == "/own" && client.trustedCAFile == "/t" && client.clientCertAuth)
        // As in Go, what is merged counts from where it stands.
        #expect(configuration.security.peer.keyFile == "/k")
    }

    @Test func wrongURLsInFilesEndAtOnce() throws {
        let failure = try fail(["--config-file", "f"], file: "listen-client-urls: foo\n")
        #expect(
            failure.standardErrorText == "unexpected error setting up listen-client-urls: "
                + "URL scheme must be http, https, unix, or unixs: foo\n"
        )
        #expect(failure.logLines.isEmpty)
    }

    @Test func aMissingFileIsReported() throws {
        #expect(try fail(["--config-file", "nope.yml"]).message == "open nope.yml: no such file or directory")
    }

    @Test(arguments: [
        String(repeating: "[", count: 5_000), String(repeating: "- ", count: 5_000),
        String(repeating: "{a: ", count: 500),
        String(repeating: " ", count: 300) + "a: b", String(repeating: "x", count: (1 << 20) + 1),
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + zip("bcdefg", "abcdef").map {
                "\($0): &\($0) [\(Array(repeating: "*\($1)", count: 10).joined(separator: ","))]\n"
            }
            .joined(),
    ])
    func hostileFilesAreRefused(file: String) throws {
        #expect(
            try fail(["--config-file", "f"], file: file).message.hasPrefix("error converting YAML to JSON: yaml: ")
        )
    }

    @Test func damagedFilesNeverCrash() {
        var generator = SeededGenerator(seed: 4711)
        let tokens = [
            "{", "}", "[", "]", ":", "-", "\n", "  ", "&a", "*a", "!!str", "|", ">", "\"", "'", "#", "%", "\u{0}", "é",
            "9", "~",
        ]
        for _ in 0..<600 {
            var bytes = Array(Self.sample.utf8)
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[position] = UInt8.random(in: .min ... .max, using: &generator)
                case 1: bytes.remove(at: position)
                case 2:
                    let token = tokens.randomElement(using: &generator) ?? "{"
                    bytes.insert(contentsOf: token.utf8, at: position)
                default:
                    let end = min(bytes.count, position + Int.random(in: 0..<40, using: &generator))
                    bytes.append(contentsOf: bytes[position..<end])
                }
            }
            let outcome = ServerConfiguration.parse(
                arguments: ["etcd", "--config-file", "f"],
                environment: [:],
                readFile: { _ in bytes }
            )
            if case .run(let configuration, _) = outcome {
                #expect(configuration.raft.electionTicks >= 5)
            }
        }
    }

    @Test func damagedCommandLinesNeverCrash() {
        var generator = SeededGenerator(seed: 42)
        let values = [
            "", "x", "-1", "0", "1", "5m", "http://127.0.0.1:1", "http://[::1]:2", "https://a:1", "unix:///s", "a=b",
            "true",
            "18446744073709551615", "9223372036854775808", "\u{0}", "é", "%", "http://%zz:1", "http://[", "a,b", "{}",
            "3.5", "AllAlpha=true", "=", "-", "--", "0x", "0b_1", "1e9",
        ]
        for _ in 0..<2_000 {
            var arguments: [String] = []
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                let name = flagRows.randomElement(using: &generator)?.name ?? ""
                let value = values.randomElement(using: &generator) ?? ""
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: arguments += ["--" + name, value]
                case 1: arguments.append("-" + name + "=" + value)
                case 2: arguments.append("--" + name)
                default: arguments.append("--" + value)
                }
            }
            if case .run(let configuration, _) = read(arguments) {
                #expect(!configuration.listen.peerURLs.isEmpty, "\(arguments)")
                #expect(!configuration.dataDirectory.isEmpty || configuration.name.isEmpty, "\(arguments)")
            }
        }
    }
}

@Suite struct EndpointURLTests {
    @Test(arguments: [
        ("http://127.0.0.1:2379", "127.0.0.1", "2379"), ("HTTPS://Host:1", "Host", "1"), ("http://[::1]:2", "::1", "2"),
        ("http://a:", "a", ""), ("http://:1", "", "1"),
    ])
    func parts(text: String, host: String, port: String) throws {
        let url = try EndpointURL(parsing: text)
        #expect(url.hostname == host)
        #expect(url.port == port)
        #expect(try EndpointURL(parsing: url.description) == url)
    }

    @Test func sockets() throws {
        #expect(try EndpointURL(parsing: "unix:///tmp/s").socketPath == "/tmp/s")
        #expect(try EndpointURL(parsing: "unix://localhost:1").socketPath == "localhost:1")
        #expect(try EndpointURL(parsing: "unixs:s.sock").socketPath == "s.sock")
        #expect(try EndpointURL(parsing: "unix:/s").description == "unix:/s")
    }

    @Test func listsAreSortedAndTrimmed() throws {
        #expect(
            try EndpointURL.list(" http://b:1,http://a:2 ").map(\.description) == ["http://a:2", "http://b:1"]
        )
    }

    @Test(arguments: [
        ("", "URL scheme must be http, https, unix, or unixs: "),
        ("localhost:1", "URL scheme must be http, https, unix, or unixs: localhost:1"),
        ("://a", "parse \"://a\": missing protocol scheme"),
        ("http://[::1", "parse \"http://[::1\": missing ']' in host"),
        ("http://a\u{1}:1", "parse \"http://a\\x01:1\": net/url: invalid control character in URL"),
        ("http://::1:2", "URL address does not have the form \"host:port\": http://::1:2"),
        ("http://%zz:1", "parse \"http://%zz:1\": invalid URL escape \"%zz\""),
    ])
    func mistakes(text: String, sentence: String) {
        #expect(throws: EndpointURLError.self) { try EndpointURL(parsing: text) }
        do throws(EndpointURLError) {
            _ = try EndpointURL(parsing: text)
        } catch {
            #expect(error.description == sentence)
        }
    }
}
