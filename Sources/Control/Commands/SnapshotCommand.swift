// snapshot save: the member's database into a file that appears whole or not at all.

import CommandLineKit
import EtcdClient
import EtcdWire
import Foundation
import SwiftProtobuf
import Synchronization

enum SnapshotCommand {
    static let command: Command = {
        var command = Command("snapshot", "<subcommand>", "Manages etcd node snapshots", group: "cluster maintenance")
        command.commands = [save]
        return command
    }()

    /// The stream ends with a SHA-256 of the rest; pages are whole multiples of this.
    private static let sectorSize = 512
    private static let digestSize = 32

    static let save = Command("save", "<filename>", "Stores an etcd node backend snapshot to a given file") { call in
        guard call.arguments.count == 1 else { throw badArguments("snapshot save expects one argument") }
        let path = call.arguments[0]
        let targets = try endpoints(call)
        guard targets.count == 1 else {
            throw CommandExit(
                ExitCode.error, "snapshot must be requested to one selected node, not multiple [\(targets.joined(separator: " "))]")
        }
        let context = try await connect(call)
        func log(_ message: String, _ fields: [(String, String)], logger: String? = nil) {
            Terminal.error(logLine("info", logger: logger, caller: "snapshot/v3_snapshot.go:65", message, fields))
        }
        let part = path + ".part"
        unlink(part)
        let descriptor = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else {
            throw CommandExit(ExitCode.interrupted, "could not open \(part) (open \(part): \(String(cString: strerror(errno)).lowercased()))")
        }
        log("created temporary db file", [("path", jsonText(part))])
        let start = ContinuousClock.now
        let progress = Mutex((bytes: 0, version: ""))
        log("fetching snapshot", [("endpoint", jsonText(targets[0]))])
        do {
            try await context.client.stream(
                .snapshot, at: targets[0], send: { try await $0.write(.init()) },
                receive: { answer in
                    var written = 0
                    while written < answer.blob.count {
                        let count = answer.blob.withUnsafeBytes {
                            write(descriptor, $0.baseAddress.map { $0 + written }, answer.blob.count - written)
                        }
                        guard count > 0 else {
                            throw CommandExit(ExitCode.io, "could not write snapshot (\(String(cString: strerror(errno))))")
                        }
                        written += count
                    }
                    let sum = progress.withLock { progress in
                        progress.bytes += written
                        if !answer.version.isEmpty { progress.version = answer.version }
                        return progress.bytes
                    }
                    if Terminal.isErrorTerminal {
                        Terminal.error("\r\(humanSize(Int64(sum))) of \(humanSize(Int64(sum) + Int64(answer.remainingBytes)))")
                    }
                })
        } catch let error as ClientError {
            close(descriptor)
            unlink(part)
            throw CommandExit(ExitCode.interrupted, failed(error).message)
        }
        if Terminal.isErrorTerminal { Terminal.error("\n") }
        let (size, version) = progress.withLock { ($0.bytes, $0.version) }
        guard size % sectorSize == digestSize else {
            close(descriptor)
            unlink(part)
            throw CommandExit(ExitCode.interrupted, "sha256 checksum not found [bytes: \(size)]")
        }
        guard fsync(descriptor) == 0, close(descriptor) == 0 else { throw CommandExit(ExitCode.interrupted, "could not fsync snapshot") }
        log(
            "fetched snapshot",
            [
                ("endpoint", jsonText(targets[0])), ("size", jsonText(humanSize(Int64(size)))), ("took", jsonText(goText(.now - start))),
                ("etcd-version", jsonText(version)),
            ])
        guard rename(part, path) == 0 else {
            throw CommandExit(ExitCode.interrupted, "could not rename \(part) to \(path) (\(String(cString: strerror(errno))))")
        }
        log("saved", [("path", jsonText(path))])
        Terminal.out("Snapshot saved at \(path)\n")
        if !version.isEmpty { Terminal.out("Server version \(version)\n") }
    }
}
