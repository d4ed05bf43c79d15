// The flag table against etcd's list: nothing missing, nothing extra, and each flag settable in all three ways.
import Testing

@testable import ServerConfiguration

@Suite struct FlagTableTests {
    @Test func theTableHasEtcdsFlagsAndOneOfOurOwn() {
        let ours = Set(FlagTable.all.map(\.name))
        let theirs = Set(flagRows.map(\.name))
        #expect(theirs.subtracting(ours).isEmpty)
        #expect(
            ours.subtracting(theirs)
                == [
                    "cluster-version-ceiling", "config-file", "lease-checkpoint-interval", "version", "test.coverprofile",
                    "test.outputdir",
                ]
        )
    }

    @Test(arguments: flagRows) func namesAndDefaults(row: FlagRow) throws {
        let flag = try #require(FlagTable.byName[row.name])
        #expect(flag.environmentVariable == row.variable)
        #expect(flag.fileKey == row.fileKey)
        let text = flag.text(in: ServerConfiguration())
        #expect(text == row.defaultText)
    }

    /// A value other than the default, by the row's type.
    private static func sample(_ row: FlagRow) -> (text: String, yaml: String)? {
        switch row.name {
        case "initial-cluster-state": return ("existing", "existing")
        case "discovery-fallback": return ("proxy", "proxy")
        case "v2-deprecation": return ("gone", "gone")
        case "feature-gates": return ("CompactHashCheck=true", "CompactHashCheck=true")
        case "cors": return ("http://a:1", "http://a:1")
        case "host-whitelist": return ("a,b", "a,b")
        default: break
        }
        switch row.type.split(separator: " ").first {
        case "string": return row.type == "string list" ? ("a,b", "[a, b]") : ("other", "other")
        case "bool": return row.defaultText == "true" ? ("false", "no") : ("true", "yes")
        case "uint", "uint64", "int", "int64", "uint32": return ("77", "77")
        case "duration": return ("1m17s", "77000000000")
        case "url": return ("http://10.0.0.1:77", "http://10.0.0.1:77")
        default: return nil
        }
    }

    @Test(arguments: flagRows) func everyFlagTakesAValueInEveryWay(row: FlagRow) throws {
        guard let sample = Self.sample(row) else {
            #expect(row.type == "ignored")
            return
        }
        let flag = try #require(FlagTable.byName[row.name])
        var byFlag = ServerConfiguration()
        _ = try CommandLineFlags(["--\(row.name)=\(sample.text)"], into: &byFlag)
        #expect(flag.text(in: byFlag) == sample.text)
        #expect(byFlag != ServerConfiguration())

        guard let fileKey = row.fileKey else { return }
        var yaml = ""
        let keys = fileKey.split(separator: ".")
        for (depth, key) in keys.enumerated() {
            yaml += String(repeating: "  ", count: depth) + key + ":" + (depth == keys.count - 1 ? " " : "\n")
        }
        var byFile = ServerConfiguration()
        try ConfigurationFile.apply(Array((yaml + sample.yaml + "\n").utf8), to: &byFile)
        byFile.explicitlySet = []
        // A file with discovery settings drops the default cluster at once, flags do so later.
        byFile.cluster.initialCluster = byFlag.cluster.initialCluster
        #expect(byFile == byFlag)
    }

    @Test func everyShownFlagIsInTheHelp() {
        let help = HelpText.flags
        for flag in FlagTable.all where flag.group != .hidden {
            #expect(help.contains("\n  --\(flag.name) '"))
            #expect(!flag.help.isEmpty)
        }
        #expect(help.contains("\nUnsafe feature:\n  --force-new-cluster 'false'\n"))
        #expect(help.contains("    FastLeaseKeepAlive=true|false (BETA - default=true)\n"))
    }

    @Test(arguments: [
        "--enable-pprof", "--warning-apply-duration=1s", "--warning-unary-request-duration=1s", "--memory-mlock", "--compaction-batch-limit=7",
        "--compaction-sleep-interval=1s", "--backend-batch-limit=7", "--backend-batch-interval=1s",
        "--enable-distributed-tracing", "--distributed-tracing-address=a:1", "--distributed-tracing-service-name=a",
        "--distributed-tracing-instance-id=a", "--distributed-tracing-sampling-rate=1",
        // Without the first of them the others mean nothing, whatever they say.
        "--distributed-tracing-sampling-rate=-1",
        "--feature-gates=AllAlpha=true,TxnModeWriteWithSharedBuffer=false,FastLeaseKeepAlive=false",
        "--backend-bbolt-freelist-type=array", "--backend-bbolt-freelist-type=map", "--bootstrap-defrag-threshold-megabytes=7",
    ])
    func whatHasAnEffectIsTaken(argument: String) {
        guard case .run = read([argument]) else {
            Issue.record("\(argument) is refused")
            return
        }
    }
}
