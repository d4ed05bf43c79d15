// The lines of a transaction: compares, and requests in the words of get, put and del.

package import CommandLineKit
package import EtcdWire
import FoundationEssentials
import SwiftProtobuf

package enum TxnText {
    private static func bad(_ message: String) -> CommandExit { CommandExit(ExitCode.invalidInput, message) }

    /// A line such as `mod("key") > "0"`.
    package static func compare(_ line: String) throws(CommandExit) -> Etcdserverpb_Compare {
        let bytes = line.rawBytes
        guard let paren = bytes.firstIndex(of: UInt8(ascii: "(")) else { throw bad("malformed comparison: \(line)") }
        let target = String(rawBytes: bytes[..<paren])
        var rest = bytes[(paren + 1)...]
        var key: [UInt8] = [], value: [UInt8] = []
        var operation = ""
        var isWhole = false
        if let (text, after) = QuotedText.unquote(rest) {
            key = text
            let end = after.dropFirst()
            // A blank separates the operator from the target; without one the line is none.
            if after.first == UInt8(ascii: ")"), end.isEmpty || end.first == 0x20 {
                rest = end.drop { $0 == 0x20 }
                let word = rest.prefix { $0 != 0x20 }
                operation = String(rawBytes: word)
                rest = rest.dropFirst(word.count).drop { $0 == 0x20 }
                if !word.isEmpty, let (text, _) = QuotedText.unquote(rest) {
                    value = text
                    isWhole = true
                }
            }
        }
        guard isWhole else {
            throw bad("malformed comparison: \(line); got \(target)(\(key.quoted)) \(operation) \(value.quoted)")
        }
        var compare = Etcdserverpb_Compare()
        compare.key = Data(key)
        switch operation {
        case "=": compare.result = .equal
        case "!=": compare.result = .notEqual
        case ">": compare.result = .greater
        case "<": compare.result = .less
        default: throw bad("Unknown result op")
        }
        func number() throws(CommandExit) -> Int64 {
            do { return try GoNumber.int(String(rawBytes: value)) } catch {
                throw bad("invalid txn compare request: \(line)")
            }
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
            compare.value = Data(value)
        case "lease":
            compare.target = .lease
            compare.lease = try number()
        default: throw bad("malformed comparison: \(line) (unknown target \(target))")
        }
        return compare
    }

    private static let requests: Command = {
        let never: @Sendable (Invocation) async throws -> Void = { _ in }
        return Command(
            "txn",
            "",
            "",
            commands: [KeyCommands.get, KeyCommands.put, KeyCommands.delete].map { command in
                // What they take and how they are used, without a run of their own.
                Command(command.name, command.usage, "", flags: command.flags, run: never)
            }
        )
    }()

    /// A line such as `put key "a value"`.
    package static func request(_ line: String) throws(CommandExit) -> Etcdserverpb_RequestOp {
        let words: [String]
        do { words = try QuotedText.words(line) } catch { throw bad("\(error)") }
        guard words.count >= 2 else { throw bad("invalid txn compare request: \(line)") }
        let call: Invocation
        switch Parser.parse(requests, words) {
        case .run(let parsed): call = parsed
        case .failure(_, let path?):
            // Usage of the request alone: it has no program before it.
            Terminal.error(Help.usage(path).replacing("\n  \(requests.name) ", with: "\n   ", maxReplacements: 1) + "\n")
            throw bad("invalid txn request: \(line)")
        default: throw bad("invalid txn request: \(line)")
        }
        var operation = Etcdserverpb_RequestOp()
        switch call.command.name {
        case "get": operation.requestRange = try KeyRequests.get(call)
        case "put": operation.requestPut = try KeyRequests.put(call, readsInput: false)
        default: operation.requestDeleteRange = try KeyRequests.delete(call)
        }
        return operation
    }
}
