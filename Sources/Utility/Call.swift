// What every command begins with: its arguments and flags checked, its failures turned into etcdutl's exit codes.

import BBolt
import CommandLineKit
import FileIO

/// Exit codes, of which etcdctl has the same.
enum ExitCode {
    static let error: Int32 = 1
    /// What a Go program ends with that panicked: etcdutl does where it cannot open a database.
    static let panic: Int32 = 2
    static let badFeature: Int32 = 4
    static let badArguments: Int32 = 128
}

/// The disk that all commands work on.
let disk = POSIXFileSystem()

func failure(_ message: String) -> CommandExit { CommandExit(ExitCode.error, message) }

func badArguments(_ message: String) -> CommandExit { CommandExit(ExitCode.badArguments, message) }

/// Runs work on files, its errors as an exit with etcd's words.
func onFiles<R>(_ body: () throws -> R) throws(CommandExit) -> R {
    do {
        return try body()
    } catch let exit as CommandExit {
        throw exit
    } catch let error as BBoltError {
        throw failure(bboltText(error))
    } catch {
        throw failure("\(error)")
    }
}

/// An error of a database file in bbolt's words where it has some.
func bboltText(_ error: BBoltError) -> String {
    switch error {
    case .locked: "timeout"
    case .noValidMeta(_, let reason): reason
    case .bucketNotFound: "bucket not found"
    default: error.description
    }
}

/// Refuses any other number of arguments, as etcd's commands do that leave this to their library.
func exactly(_ count: Int, _ call: Invocation) throws(CommandExit) {
    guard call.arguments.count == count else {
        throw misuse(call, "accepts \(count) arg(s), received \(call.arguments.count)")
    }
}

func atLeast(_ count: Int, _ call: Invocation) throws(CommandExit) {
    guard call.arguments.count >= count else {
        throw misuse(call, "requires at least \(count) arg(s), only received \(call.arguments.count)")
    }
}

/// Refuses a call that leaves out a flag it must have.
func require(_ names: [String], _ call: Invocation) throws(CommandExit) {
    let missing = names.filter { !call.changed.contains($0) }
    guard missing.isEmpty else {
        throw misuse(call, "required flag(s) \(missing.sorted().map { "\"\($0)\"" }.joined(separator: ", ")) not set")
    }
}

/// Shows the message and the command's usage.
func misuse(_ call: Invocation, _ message: String) -> CommandExit {
    Etcdutl.complain(message, path(to: call.command, below: [Etcdutl.root], in: call.raw).map(Help.usage))
}

/// The commands from the root to `command`, which the words of the call name.
private func path(to command: Command, below path: [Command], in words: [String]) -> [Command]? {
    let parent = path[path.count - 1]
    if parent.name == command.name, parent.short == command.short { return path }
    for child in parent.commands {
        if let found = Utility.path(to: command, below: path + [child], in: words) { return found }
    }
    return nil
}

/// Fails as etcd does where `path` isn't there.
func requireFile(_ path: String) throws(CommandExit) {
    let status: FileStatus?
    do throws(FileError) {
        status = try disk.status(path)
    } catch {
        throw failure("stat \(path): \(error.reason)")
    }
    if status == nil { throw failure("stat \(path): no such file or directory") }
}

/// The places in a data directory.
struct DataDirectory {
    let path: String

    init(_ path: String) { self.path = path }

    var snapshots: String { join(path, "member/snap") }
    var wal: String { join(path, "member/wal") }
    var database: String { join(path, "member/snap/db") }
}

/// Go's way to join paths: without a doubled slash, and without `./` in front.
func join(_ directory: String, _ rest: String) -> String {
    var directory = directory[...]
    while directory.hasPrefix("./") { directory = directory.dropFirst(2) }
    while directory.count > 1, directory.hasSuffix("/") { directory = directory.dropLast() }
    if directory.isEmpty || directory == "." { return rest }
    return directory == "/" ? "/" + rest : "\(directory)/\(rest)"
}
