// The command line, the environment and who wins; sentences as a running etcd prints them.
import ServerConfiguration
import ServerLog
import Testing

@Suite struct CommandLineTests {
    private static let usage = "Usage:\n"

    @Test(arguments: [
        (["--bogus"], "flag provided but not defined: -bogus"),
        (["--heartbeat-interval=x"], "invalid value \"x\" for flag -heartbeat-interval: parse error"),
        (["--heartbeat-interval=-1"], "invalid value \"-1\" for flag -heartbeat-interval: parse error"),
        (
            ["--heartbeat-interval=18446744073709551616"],
            "invalid value \"18446744073709551616\" for flag -heartbeat-interval: value out of range"
        ),
        (["--pre-vote=z"], "invalid boolean value \"z\" for -pre-vote: parse error"),
        (["--name"], "flag needs an argument: -name"),
        (["--=x"], "bad flag syntax: --=x"),
        (["---x"], "bad flag syntax: ---x"),
        (
            ["--listen-client-urls", "127.0.0.1:2379"],
            "invalid value \"127.0.0.1:2379\" for flag -listen-client-urls: parse \"127.0.0.1:2379\": "
                + "first path segment in URL cannot contain colon"
        ),
        (
            ["--listen-client-urls", "http://127.0.0.1"],
            "invalid value \"http://127.0.0.1\" for flag -listen-client-urls: "
                + "URL address does not have the form \"host:port\": http://127.0.0.1"
        ),
        (
            ["--listen-client-urls", "http://a:b"],
            "invalid value \"http://a:b\" for flag -listen-client-urls: parse \"http://a:b\": "
                + "invalid port \":b\" after host"
        ),
        (
            ["--listen-client-urls", "http://a b:1"],
            "invalid value \"http://a b:1\" for flag -listen-client-urls: parse \"http://a b:1\": "
                + "invalid character \" \" in host name"
        ),
        (
            ["--listen-client-urls", "http://127.0.0.1:1/x"],
            "invalid value \"http://127.0.0.1:1/x\" for flag -listen-client-urls: "
                + "URL must not contain a path: http://127.0.0.1:1/x"
        ),
        (["--initial-cluster-state=x"], "invalid value \"x\" for flag -initial-cluster-state: invalid value"),
        (["--grpc-keepalive-min-time=5"], "invalid value \"5\" for flag -grpc-keepalive-min-time: parse error"),
        (
            ["--max-concurrent-streams=x"],
            "invalid value \"x\" for flag -max-concurrent-streams: strconv.ParseUint: parsing \"x\": invalid syntax"
        ),
        (
            ["--max-concurrent-streams=4294967296"],
            "invalid value \"4294967296\" for flag -max-concurrent-streams: "
                + "strconv.ParseUint: parsing \"4294967296\": value out of range"
        ),
        (["--feature-gates=X=true"], "invalid value \"X=true\" for flag -feature-gates: unrecognized feature gate: X"),
        (["--cluster-version-ceiling=3.4"], "invalid value \"3.4\" for flag -cluster-version-ceiling: invalid value"),
        (["--v2-deprecation=x"], "invalid value \"x\" for flag -v2-deprecation: invalid value \"x\""),
    ])
    func mistakesShowUsage(arguments: [String], sentence: String) throws {
        let failure = try fail(arguments)
        #expect(failure.message == sentence)
        #expect(failure.exitCode == 2)
        #expect(failure.standardErrorText.hasPrefix(sentence + "\n" + Self.usage))
        #expect(failure.logLines.isEmpty)
    }

    @Test(arguments: ["foo", "-"]) func strayWords(word: String) throws {
        let failure = try fail([word, "--bogus"])
        #expect(failure.message == "\"\(word)\" is not a valid flag")
        #expect(failure.exitCode == 1)
        #expect(failure.logLines.map(\.message) == ["Running: ", "failed to verify flags"])
        #expect(failure.logLines[0].fields == [.strings("args", ["etcd", word, "--bogus"])])
        #expect(failure.logLines[1].fields == [.error(failure.message)])
    }

    @Test func bothSpellingsOfFlagsWork() throws {
        let configuration = try run([
            "-name", "a", "--heartbeat-interval=0x10", "--election-timeout", "1_000".replacingUnderscore,
            "--pre-vote=F",
            "--force-new-cluster", "--snapshot-count=010", "--quota-backend-bytes=-1", "--",
        ]).configuration
        #expect(configuration.name == "a")
        #expect(configuration.raft.heartbeatMilliseconds == 16)
        #expect(configuration.raft.electionMilliseconds == 1000)
        #expect(configuration.raft.electionTicks == 62)
        #expect(!configuration.raft.preVote)
        #expect(configuration.cluster.forceNewCluster)
        #expect(configuration.raft.snapshotCount == 8)
        #expect(configuration.storage.effectiveQuotaBytes == nil)
        #expect(configuration.explicitlySet.contains("force-new-cluster"))
        #expect(!configuration.explicitlySet.contains("metrics"))
    }

    @Test func helpAndVersion() throws {
        for word in ["-h", "--help", "-help"] {
            guard case .printHelp = read([word]) else {
                Issue.record("\(word)")
                continue
            }
        }
        guard case .printVersion = read(["--version", "--name", "x"]) else {
            Issue.record("version")
            return
        }
        #expect(try fail(["--version", "x"]).message == "\"x\" is not a valid flag")
        let version = HelpText.version(gitSHA: "abc").split(separator: "\n")
        #expect(version.count == 4)
        #expect(version[0] == "etcd Version: 3.7.1")
        #expect(version[1] == "Git SHA: abc")
    }

    @Test func theEnvironmentIsUsed() throws {
        let (configuration, lines) = try run(
            ["--name", "a"],
            environment: ["ETCD_HEARTBEAT_INTERVAL": "50", "ETCD_DATA_DIR": "/d", "HOME": "/", "ETCD_METRICS": ""]
        )
        #expect(configuration.raft.heartbeatMilliseconds == 50)
        #expect(configuration.dataDirectory == "/d")
        #expect(
            lines.first { $0.message == "recognized and used environment variable" }?.fields
                == [.string("variable-name", "ETCD_DATA_DIR"), .string("variable-value", "/d")]
        )
        #expect(
            lines.allSatisfy {
                $0.message != "unrecognized environment variable"
                    || $0.fields.contains(.string("environment-variable", "ETCD_METRICS="))
            }
        )
    }

    @Test func mistakesInTheEnvironment() throws {
        let failure = try fail([], environment: ["ETCD_HEARTBEAT_INTERVAL": "x", "ETCD_ZORK": "1"])
        #expect(failure.message == "invalid value \"x\" for ETCD_HEARTBEAT_INTERVAL: parse error")
        #expect(failure.exitCode == 1)
        #expect(
            failure.logLines.map(\.message)
                == ["unrecognized environment variable", "Running: ", "failed to verify flags"]
        )
        #expect(failure.logLines[0].fields == [.string("environment-variable", "ETCD_ZORK=1")])
        #expect(failure.logLines.allSatisfy { $0.logger == .standard })
    }

    @Test func aFlagAndItsVariableConflict() throws {
        let failure = try fail(["--name", "y"], environment: ["ETCD_NAME": "x"])
        #expect(failure.exitCode == 1)
        #expect(failure.logLines.map(\.level) == [.fatal])
        #expect(failure.message.hasPrefix("conflicting environment variable is shadowed by corresponding"))
    }

    @Test func oldFlagsAreAcceptedWithAWarning() throws {
        let (_, lines) = try run(["-v", "--retry-interval=3", "--max-snapshots=3", "--v2-deprecation=gone"])
        #expect(lines.count { $0.message == "flag is no longer supported - ignoring" } == 2)
        #expect(
            lines.map(\.message).filter { $0.contains("deprecated") } == [
                "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
                "--v2-deprecation is deprecated and scheduled for removal in v3.8. "
                    + "The default value is enforced, ignoring user input.",
            ]
        )
    }

    @Test func startLinesComeInEtcdsOrder() throws {
        let (configuration, lines) = try run([])
        #expect(
            lines.map(\.message) == [
                "Running http and grpc server on single port. This is not recommended for production.",
                "it isn't recommended to use default name, please set a value for --name. "
                    + "Note that etcd might run into issue when multiple members have the same default name",
                "Running: ", "'data-dir' was empty; using default",
            ]
        )
        #expect(lines.allSatisfy { $0.logger == .configured })
        #expect(configuration.dataDirectory == "default.etcd")
    }
}

extension String {
    /// Readable numbers in tests; flags themselves allow underscores only behind a base prefix.
    fileprivate var replacingUnderscore: String { filter { $0 != "_" } }
}
