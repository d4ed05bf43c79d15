// get, put and del from words to requests: used by the commands themselves and by the lines of a transaction.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

enum KeyRequests {
    static let getFlags: [Flag] = [
        Flag("consistency", nil, .string, "l", "l for linearizable, s for serializable", choices: ["l", "s"]),
        Flag("order", nil, .string, "", "ASCEND or DESCEND", choices: ["ASCEND", "DESCEND"]),
        Flag(
            "sort-by",
            nil,
            .string,
            "",
            "CREATE, KEY, MODIFY, VALUE or VERSION",
            choices: ["CREATE", "KEY", "MODIFY", "VALUE", "VERSION"]
        ),
        Flag("limit", nil, .int, "0", "at most so many keys"),
        Flag("prefix", nil, .bool, "", "all keys that begin with the given one"),
        Flag("from-key", nil, .bool, "", "all keys from the given one on"),
        Flag("rev", nil, .int, "0", "as of this revision"),
        Flag("keys-only", nil, .bool, "", "keys without values"),
        Flag("count-only", nil, .bool, "", "only how many there are (needs --write-out=fields)"),
        Flag("print-value-only", nil, .bool, "", "values without keys (for the simple format)"),
        Flag("min-create-rev", nil, .int, "0", "only keys created at this revision or later"),
        Flag("max-create-rev", nil, .int, "0", "only keys created at this revision or earlier"),
        Flag("min-mod-rev", nil, .int, "0", "only keys changed at this revision or later"),
        Flag("max-mod-rev", nil, .int, "0", "only keys changed at this revision or earlier"),
        Flag("stream", nil, .bool, "", "fetch the answer in parts (members of 3.7)"),
    ]
    static let putFlags: [Flag] = [
        Flag("lease", nil, .string, "0", "lease (hexadecimal) to attach the key to"),
        Flag("prev-kv", nil, .bool, "", "print what the key held before"),
        Flag("ignore-value", nil, .bool, "", "keep the key's value"),
        Flag("ignore-lease", nil, .bool, "", "keep the key's lease"),
    ]
    static let deleteFlags: [Flag] = [
        Flag("prefix", nil, .bool, "", "all keys that begin with the given one"),
        Flag("prev-kv", nil, .bool, "", "print what is deleted"),
        Flag("from-key", nil, .bool, "", "all keys from the given one on"),
        Flag("range", nil, .bool, "", "delete a range at once, without the warning"),
    ]

    /// A lone zero byte: from here to the end of all keys.
    static let toEnd = Data([0])

    static func get(_ call: Invocation) throws(CommandExit) -> Etcdserverpb_RangeRequest {
        let words = call.arguments
        guard !words.isEmpty else {
            throw badArguments("get command needs one argument as key and an optional argument as range_end")
        }
        if call.bool("prefix"), call.bool("from-key") {
            throw badArguments("`--prefix` and `--from-key` cannot be set at the same time, choose one")
        }
        if call.bool("keys-only"), call.bool("count-only") {
            throw badArguments("`--keys-only` and `--count-only` cannot be set at the same time, choose one")
        }
        var request = Etcdserverpb_RangeRequest()
        switch call.string("consistency") {
        case "s": request.serializable = true
        case "l": break
        case let other: throw CommandExit(ExitCode.badFeature, "unknown consistency flag \(other.quoted)")
        }
        request.key = Data(word: words[0])
        if words.count > 1 {
            if call.bool("prefix") || call.bool("from-key") {
                throw badArguments(
                    "too many arguments, only accept one argument when `--prefix` or `--from-key` is set"
                )
            }
            request.rangeEnd = Data(word: words[1])
        }
        request.limit = call.int("limit")
        request.revision = max(0, call.int("rev"))
        let order = call.string("order").uppercased()
        switch order {
        case "ASCEND": request.sortOrder = .ascend
        case "DESCEND": request.sortOrder = .descend
        case "": break
        default: throw CommandExit(ExitCode.badFeature, "bad sort order \(call.string("order"))")
        }
        let target = call.string("sort-by").uppercased()
        switch target {
        case "CREATE": request.sortTarget = .create
        case "KEY": request.sortTarget = .key
        case "MODIFY": request.sortTarget = .mod
        case "VALUE": request.sortTarget = .value
        case "VERSION": request.sortTarget = .version
        case "": break
        default: throw CommandExit(ExitCode.badFeature, "bad sort target \(call.string("sort-by"))")
        }
        // The store's own order needs no sorting.
        if request.sortTarget == .key, request.sortOrder == .ascend { request.sortOrder = .none }
        if call.bool("prefix") { setPrefix(&request.key, &request.rangeEnd) }
        if call.bool("from-key") { setFromKey(&request.key, &request.rangeEnd) }
        request.keysOnly = call.bool("keys-only")
        request.countOnly = call.bool("count-only")
        (request.minCreateRevision, request.maxCreateRevision) = try bounds(call, "create", "CreateRev")
        (request.minModRevision, request.maxModRevision) = try bounds(call, "mod", "ModRev")
        return request
    }

    /// The least and the greatest revision of a kind; 0 for no bound.
    private static func bounds(_ call: Invocation, _ kind: String, _ name: String) throws(CommandExit) -> (Int64, Int64)
    {
        let least = call.int("min-\(kind)-rev"), greatest = call.int("max-\(kind)-rev")
        if greatest > 0, least > greatest {
            throw CommandExit(ExitCode.badFeature, "getMin\(name)(=\(least)) > getMax\(name)(=\(greatest))")
        }
        return (max(0, least), max(0, greatest))
    }

    static func setPrefix(_ key: inout Data, _ end: inout Data) {
        if key.isEmpty {
            key = toEnd
            end = toEnd
        } else {
            end = Data(prefixEnd(Array(key)))
        }
    }

    static func setFromKey(_ key: inout Data, _ end: inout Data) {
        if key.isEmpty { key = toEnd }
        end = toEnd
    }

    static func put(_ call: Invocation, readsInput: Bool) throws(CommandExit) -> Etcdserverpb_PutRequest {
        let words = call.arguments
        guard !words.isEmpty else {
            throw badArguments("put command needs 1 argument and input from stdin or 2 arguments")
        }
        var request = Etcdserverpb_PutRequest()
        request.key = Data(word: words[0])
        if call.bool("ignore-value") {
            if words.count > 1 { throw badArguments("put command needs only 1 argument when 'ignore-value' is set") }
            request.ignoreValue = true
        } else if words.count > 1 {
            request.value = Data(word: words[1])
        } else {
            let input = readsInput ? Terminal.readAll() : []
            if input.isEmpty { throw badArguments("put command needs 1 argument and input from stdin or 2 arguments") }
            request.value = Data(input)
        }
        do { request.lease = try GoNumber.int(call.string("lease"), base: 16) } catch {
            throw badArguments("bad lease ID (\(error)), expecting ID in Hex")
        }
        request.prevKv = call.bool("prev-kv")
        request.ignoreLease = call.bool("ignore-lease")
        return request
    }

    static func delete(_ call: Invocation) throws(CommandExit) -> Etcdserverpb_DeleteRangeRequest {
        let words = call.arguments
        guard !words.isEmpty, words.count <= 2 else {
            throw badArguments("del command needs one argument as key and an optional argument as range_end")
        }
        if call.bool("prefix"), call.bool("from-key") {
            throw badArguments("`--prefix` and `--from-key` cannot be set at the same time, choose one")
        }
        var request = Etcdserverpb_DeleteRangeRequest()
        request.key = Data(word: words[0])
        if words.count > 1 {
            if call.bool("prefix") || call.bool("from-key") {
                throw badArguments(
                    "too many arguments, only accept one argument when `--prefix` or `--from-key` is set"
                )
            }
            request.rangeEnd = Data(word: words[1])
        }
        if call.bool("prefix") { setPrefix(&request.key, &request.rangeEnd) }
        if call.bool("from-key") { setFromKey(&request.key, &request.rangeEnd) }
        request.prevKv = call.bool("prev-kv")
        return request
    }
}
