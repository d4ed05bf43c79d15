// get, put and del from words to requests: used by the commands themselves and by the lines of a transaction.

import CommandLineKit
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf

enum KeyRequests {
    static let getFlags: [Flag] = [
        Flag("consistency", nil, .string, "l", "Linearizable(l) or Serializable(s)"),
        Flag("order", nil, .string, "", "Order of results; ASCEND or DESCEND (ASCEND by default)"),
        Flag("sort-by", nil, .string, "", "Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION"),
        Flag("limit", nil, .int, "0", "Maximum number of results"),
        Flag("prefix", nil, .bool, "", "Get keys with matching prefix"),
        Flag("from-key", nil, .bool, "", "Get keys that are greater than or equal to the given key, byte by byte"),
        Flag("rev", nil, .int, "0", "Specify the kv revision"),
        Flag("keys-only", nil, .bool, "", "Get only the keys"),
        Flag("count-only", nil, .bool, "", "Get only the count"),
        Flag("print-value-only", nil, .bool, "", "Only write values when using the \"simple\" output format"),
        Flag("min-create-rev", nil, .int, "0", "Minimum create revision"),
        Flag("max-create-rev", nil, .int, "0", "Maximum create revision"),
        Flag("min-mod-rev", nil, .int, "0", "Minimum modification revision"),
        Flag("max-mod-rev", nil, .int, "0", "Maximum modification revision"),
        Flag("stream", nil, .bool, "", "Get the result as a stream of parts"),
    ]
    static let putFlags: [Flag] = [
        Flag("lease", nil, .string, "0", "lease ID (in hexadecimal) to attach to the key"),
        Flag("prev-kv", nil, .bool, "", "return the previous key-value pair before modification"),
        Flag("ignore-value", nil, .bool, "", "updates the key using its current value"),
        Flag("ignore-lease", nil, .bool, "", "updates the key using its current lease"),
    ]
    static let deleteFlags: [Flag] = [
        Flag("prefix", nil, .bool, "", "delete keys with matching prefix"),
        Flag("prev-kv", nil, .bool, "", "return deleted key-value pairs"),
        Flag("from-key", nil, .bool, "", "delete keys that are greater than or equal to the given key, byte by byte"),
        Flag("range", nil, .bool, "", "delete range of keys without delay"),
    ]

    /// A lone zero byte: from here to the end of all keys.
    static let toEnd = Data([0])

    static func get(_ call: Invocation) throws -> Etcdserverpb_RangeRequest {
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
        request.key = Data(words[0].utf8)
        if words.count > 1 {
            if call.bool("prefix") || call.bool("from-key") {
                throw badArguments("too many arguments, only accept one argument when `--prefix` or `--from-key` is set")
            }
            request.rangeEnd = Data(words[1].utf8)
        }
        request.limit = call.int("limit")
        request.revision = call.int("rev")
        let order = call.string("order").uppercased()
        switch order {
        case "ASCEND": request.sortOrder = .ascend
        case "DESCEND": request.sortOrder = .descend
        case "": break
        default: throw CommandExit(ExitCode.badFeature, "bad sort order \(call.string("order"))")
        }
        let target = call.string("sort-by").uppercased()
        if order.isEmpty, !target.isEmpty { request.sortOrder = .ascend }
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
        request.minCreateRevision = call.int("min-create-rev")
        request.maxCreateRevision = call.int("max-create-rev")
        request.minModRevision = call.int("min-mod-rev")
        request.maxModRevision = call.int("max-mod-rev")
        return request
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

    static func put(_ call: Invocation, readsInput: Bool) throws -> Etcdserverpb_PutRequest {
        let words = call.arguments
        guard !words.isEmpty else {
            throw badArguments("put command needs 1 argument and input from stdin or 2 arguments")
        }
        var request = Etcdserverpb_PutRequest()
        request.key = Data(words[0].utf8)
        if call.bool("ignore-value") {
            if words.count > 1 { throw badArguments("put command needs only 1 argument when 'ignore-value' is set") }
            request.ignoreValue = true
        } else if words.count > 1 {
            request.value = Data(words[1].utf8)
        } else {
            let input = readsInput ? Terminal.readAll() : []
            if input.isEmpty { throw badArguments("put command needs 1 argument and input from stdin or 2 arguments") }
            request.value = Data(input)
        }
        guard let lease = Int64(call.string("lease"), radix: 16) else {
            throw badArguments("bad lease ID (strconv.ParseInt: parsing \(call.string("lease").quoted): invalid syntax), expecting ID in Hex")
        }
        request.lease = lease
        request.prevKv = call.bool("prev-kv")
        request.ignoreLease = call.bool("ignore-lease")
        return request
    }

    static func delete(_ call: Invocation) throws -> Etcdserverpb_DeleteRangeRequest {
        let words = call.arguments
        guard !words.isEmpty, words.count <= 2 else {
            throw badArguments("del command needs one argument as key and an optional argument as range_end")
        }
        if call.bool("prefix"), call.bool("from-key") {
            throw badArguments("`--prefix` and `--from-key` cannot be set at the same time, choose one")
        }
        var request = Etcdserverpb_DeleteRangeRequest()
        request.key = Data(words[0].utf8)
        if words.count > 1 {
            if call.bool("prefix") || call.bool("from-key") {
                throw badArguments("too many arguments, only accept one argument when `--prefix` or `--from-key` is set")
            }
            request.rangeEnd = Data(words[1].utf8)
        }
        if call.bool("prefix") { setPrefix(&request.key, &request.rangeEnd) }
        if call.bool("from-key") { setFromKey(&request.key, &request.rangeEnd) }
        request.prevKv = call.bool("prev-kv")
        return request
    }
}
