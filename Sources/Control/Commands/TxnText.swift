// The lines of a transaction: compares, and requests in the words of get, put and del.

import CommandLineKit
import EtcdWire
import Foundation
import SwiftProtobuf

enum TxnText {
    /// Words as a shell would split them: double quotes with Go's escapes, single quotes as they are.
    static func words(_ line: String) -> [String] {
        var words: [String] = []
        var rest = Array(line.utf8)[...]
        while let byte = rest.first {
            if byte == 0x20 || byte == 9 {
                rest.removeFirst()
            } else if byte == UInt8(ascii: "\""), let (text, after) = quoted(rest) {
                words.append(text)
                rest = after
            } else if byte == UInt8(ascii: "'"), let end = rest.dropFirst().firstIndex(of: UInt8(ascii: "'")) {
                words.append(String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self))
                rest = rest[(end + 1)...]
            } else {
                let word = rest.prefix { $0 != 0x20 && $0 != 9 }
                words.append(String(decoding: word, as: UTF8.self))
                rest = rest.dropFirst(word.count)
            }
        }
        return words
    }

    /// A string in double quotes at the beginning, and what follows it.
    static func quoted(_ bytes: ArraySlice<UInt8>) -> (String, ArraySlice<UInt8>)? {
        guard bytes.first == UInt8(ascii: "\"") else { return nil }
        var out: [UInt8] = []
        var rest = bytes.dropFirst()
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return (String(decoding: out, as: UTF8.self), rest) }
            guard byte == UInt8(ascii: "\\") else {
                out.append(byte)
                continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            switch escaped {
            case UInt8(ascii: "n"): out.append(10)
            case UInt8(ascii: "t"): out.append(9)
            case UInt8(ascii: "r"): out.append(13)
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): out.append(escaped)
            case UInt8(ascii: "x"):
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
                out.append(value)
                rest = rest.dropFirst(2)
            default: return nil
            }
        }
        return nil
    }

    static func compare(_ line: String) throws(CommandExit) -> Etcdserverpb_Compare {
        func bad(_ message: String) -> CommandExit { CommandExit(ExitCode.invalidInput, message) }
        guard let paren = line.firstIndex(of: "(") else { throw bad("malformed comparison: \(line)") }
        let target = String(line[..<paren])
        var rest = Array(line[line.index(after: paren)...].utf8)[...]
        var key = "", operation = "", value = ""
        var isWhole = false
        if let (text, after) = quoted(rest), after.first == UInt8(ascii: ")") {
            key = text
            rest = after.dropFirst().drop { $0 == 0x20 }
            operation = String(decoding: rest.prefix { $0 != 0x20 }, as: UTF8.self)
            rest = rest.dropFirst(operation.utf8.count).drop { $0 == 0x20 }
            if let (text, _) = quoted(rest) {
                value = text
                isWhole = true
            }
        }
        guard isWhole else {
            throw bad("malformed comparison: \(line); got \(target)(\(key.quoted)) \(operation) \(value.quoted)")
        }
        var compare = Etcdserverpb_Compare()
        compare.key = Data(key.utf8)
        switch operation {
        case "=": compare.result = .equal
        case "!=": compare.result = .notEqual
        case ">": compare.result = .greater
        case "<": compare.result = .less
        default: throw bad("Unknown result op")
        }
        func number() throws(CommandExit) -> Int64 {
            guard let number = Int64(value) else { throw bad("invalid txn compare request: \(line)") }
            return number
        }
        switch target {
        case "ver", "version":
            compare.target = .version
            compare.version = try number()
        case "c", "create":
            compare.target = .create
            compare.createRevision = try number()
        case "m", "mod":
            compare.target = .mod
            compare.modRevision = try number()
        case "val", "value":
            compare.target = .value
            compare.value = Data(value.utf8)
        case "lease":
            compare.target = .lease
            compare.lease = try number()
        default: throw bad("malformed comparison: \(line) (unknown target \(target))")
        }
        return compare
    }

    static func request(_ line: String) throws -> Etcdserverpb_RequestOp {
        let words = words(line)
        guard words.count >= 2 else { throw CommandExit(ExitCode.invalidInput, "invalid txn compare request: \(line)") }
        let never: @Sendable (Invocation) async throws -> Void = { _ in }
        let root = Command(
            "txn", "", "",
            commands: [
                Command("get", "", "", flags: KeyRequests.getFlags, run: never),
                Command("put", "", "", flags: KeyRequests.putFlags, run: never),
                Command("del", "", "", flags: KeyRequests.deleteFlags, run: never),
            ])
        guard case .run(let call) = Parser.parse(root, words) else {
            throw CommandExit(ExitCode.invalidInput, "invalid txn request: \(line)")
        }
        return try Etcdserverpb_RequestOp.with {
            switch call.command.name {
            case "get": $0.requestRange = try KeyRequests.get(call)
            case "put": $0.requestPut = try KeyRequests.put(call, readsInput: false)
            default: $0.requestDeleteRange = try KeyRequests.delete(call)
            }
        }
    }
}
