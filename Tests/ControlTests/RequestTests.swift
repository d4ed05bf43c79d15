// From words to requests: the lines of transactions, and what get, put, del and watch come to.

import EtcdWire
import Foundation
import Testing

@testable import CommandLineKit
@testable import Control

@Suite struct RequestTests {
    private func exit(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch let exit as CommandExit {
            return "\(exit.code) \(exit.message ?? "")"
        } catch {
            return "\(error)"
        }
    }

    private func call(_ name: String, _ flags: [Flag], _ words: [String]) throws -> Invocation {
        let root = Command("etcdctl", "", "", commands: [Command(name, "", "", flags: flags) { _ in }])
        guard case .run(let call) = Parser.parse(root, [name] + words) else { throw CommandExit(1, "no call") }
        return call
    }

    // MARK: Transactions

    @Test func compares() throws {
        let mod = try TxnText.compare(#"mod("a b") > "5""#)
        #expect(mod.target == .mod && mod.result == .greater && mod.modRevision == 5 && mod.key == Data("a b".utf8))
        #expect(try TxnText.compare(#"c("k")  =  "-1""#).createRevision == -1)
        #expect(try TxnText.compare(#"ver("k") != "2""#).version == 2)
        #expect(try TxnText.compare(#"lease("k") < "16""#).lease == 16)
        let value = try TxnText.compare(#"val("\xff") = "\x00\xfe""#)
        #expect(value.key == Data([0xFF]) && value.value == Data([0, 0xFE]) && value.result == .equal)
        #expect(try TxnText.compare("value(`k`) = `v\\`").value == Data("v\\".utf8))
    }

    @Test(
        "lines that are no compares",
        arguments: [
            ("nonsense", "3 malformed comparison: nonsense"),
            (#"mod("a") > "x""#, #"3 invalid txn compare request: mod("a") > "x""#),
            (#"size("a") = "1""#, #"3 malformed comparison: size("a") = "1" (unknown target size)"#),
            (#"mod("a") ~ "1""#, "3 Unknown result op"),
            (#"mod(a) = "1""#, #"3 malformed comparison: mod(a) = "1"; got mod("")  """#),
            (#"mod("a") ="#, #"3 malformed comparison: mod("a") =; got mod("a") = """#),
        ]
    )
    func noCompares(line: String, message: String) { #expect(exit { _ = try TxnText.compare(line) } == message) }

    @Test func requests() throws {
        #expect(try TxnText.request(#"put "a b" 'c d'"#).requestPut.value == Data("c d".utf8))
        #expect(try TxnText.request(#"put k "\xff""#).requestPut.value == Data([0xFF]))
        #expect(try TxnText.request("get k --prefix").requestRange.rangeEnd == Data("l".utf8))
        #expect(try TxnText.request("del a z").requestDeleteRange.rangeEnd == Data("z".utf8))
        #expect(exit { _ = try TxnText.request("put") } == "3 invalid txn compare request: put")
        #expect(exit { _ = try TxnText.request("move a b") } == "3 invalid txn request: move a b")
        #expect(exit { _ = try TxnText.request("get a --bogus") } == "3 invalid txn request: get a --bogus")
    }

    // MARK: get, put, del

    @Test func rangesOfGet() throws {
        func get(_ words: String...) throws -> Etcdserverpb_RangeRequest {
            try KeyRequests.get(try call("get", KeyRequests.getFlags, words))
        }
        #expect(try get("", "--prefix").key == Data([0]))
        #expect(try get("", "--prefix").rangeEnd == Data([0]))
        #expect(try get("", "--from-key").key == Data([0]))
        #expect(try get("a", "--from-key").rangeEnd == Data([0]))
        #expect(try get(String(rawBytes: [0x61, 0xFF]), "--prefix").rangeEnd == Data("b".utf8))
        // Nobody asked for an order: the member sorts what the limit leaves.
        #expect(try get("a", "--sort-by", "version").sortOrder == .none)
        #expect(try get("a", "--sort-by", "version").sortTarget == .version)
        #expect(try get("a", "--sort-by", "key", "--order", "ascend").sortOrder == .none)
        #expect(try get("a", "--rev", "-3").revision == 0)
        #expect(
            exit { _ = try get("a", "--min-mod-rev", "5", "--max-mod-rev", "4") }
                == "4 getMinModRev(=5) > getMaxModRev(=4)"
        )
        #expect(
            exit { _ = try get("a", "--min-create-rev", "5", "--max-create-rev", "4") }
                == "4 getMinCreateRev(=5) > getMaxCreateRev(=4)"
        )
        #expect(
            exit { _ = try get("a", "--keys-only", "--count-only") }
                == "128 `--keys-only` and `--count-only` cannot be set at the same time, choose one"
        )
    }

    @Test func leasesOfPut() throws {
        func put(_ words: String...) throws -> Etcdserverpb_PutRequest {
            try KeyRequests.put(try call("put", KeyRequests.putFlags, words), readsInput: false)
        }
        #expect(try put("a", "1", "--lease", "1f").lease == 31)
        #expect(
            exit { _ = try put("a", "1", "--lease", "zz") }
                == "128 bad lease ID (strconv.ParseInt: parsing \"zz\": invalid syntax), expecting ID in Hex"
        )
    }

    @Test func permissionRanges() throws {
        let flags = [Flag("prefix", nil, .bool, "", ""), Flag("from-key", nil, .bool, "", "")]
        func range(_ words: String...) throws -> [Data] {
            let call = try call("role", flags, words)
            let (key, end) = try AuthCommands.range(call.arguments[...], call)
            return [key, end]
        }
        #expect(try range("a") == [Data("a".utf8), Data()])
        #expect(try range("a", "--prefix") == [Data("a".utf8), Data("b".utf8)])
        #expect(try range("", "--prefix") == [Data([0]), Data([0])])
        #expect(try range("") == [Data([0]), Data()])
        #expect(exit { _ = try range("a", "b", "--prefix") } == "128 unexpected endkey argument with --prefix flag")
        #expect(
            exit { _ = try range("a", "--from-key", "--prefix") }
                == "128 --from-key and --prefix flags are mutually exclusive"
        )
    }

    // MARK: watch

    @Test func watchedKeysAndCommands() throws {
        func split(_ words: [String], key: String = "", end: String = "") throws -> [[String]] {
            let (keys, program) = try WatchCommand.split(
                try call("watch", WatchCommand.flags, words),
                key: key,
                end: end
            )
            return [keys, program]
        }
        #expect(try split(["a", "b", "--rev", "1", "--", "echo", "b"]) == [["a", "b"], ["echo", "b"]])
        #expect(try split(["--", "echo"], key: "k", end: "l") == [["k", "l"], ["echo"]])
        #expect(
            exit { _ = try split(["a", "--"]) } == "128 bad number of arguments (found separator --, but no commands)"
        )
        #expect(
            exit { _ = try split(["a"], key: "k") } == "128 bad number of arguments (found conflicting environment key)"
        )
        #expect(exit { _ = try split([]) } == "128 bad number of arguments")
        let request = try WatchCommand.create(
            ["a"],
            try call("watch", WatchCommand.flags, ["a", "--prefix", "--rev", "4"])
        )
        #expect(request.rangeEnd == Data("b".utf8) && request.startRevision == 4)
    }

    // MARK: The tree

    @Test func everyCommandTellsWhatItDoes() {
        func visit(_ path: [Command]) {
            let command = path[path.count - 1]
            #expect(!command.short.isEmpty, "\(path.map(\.name))")
            if command.run != nil, command.name != "help" { #expect(!command.example.isEmpty, "\(path.map(\.name))") }
            let names = Parser.flags(of: path).map(\.name)
            #expect(Set(names).count == names.count, "\(path.map(\.name))")
            for next in command.commands { visit(path + [next]) }
        }
        visit([Etcdctl.root])
        #expect(Etcdctl.manual.count > 50)
    }
}
