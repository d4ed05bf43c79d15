// snapshot save: the member's database into a file that appears whole or not at all.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum SnapshotCommand {
    static let command: Command = {
        var command = Command(
            "snapshot",
            "<subcommand>",
            "Saves a member's database",
            long: "Saves a member's database into a file. etcdutl tells what is in such a file, and restores it.",
            example: "  etcdctl snapshot save backup.db",
            group: "cluster maintenance"
        )
        command.commands = [save]
        return command
    }()

    /// The stream ends with a SHA-256 of the rest; pages are whole multiples of this.
    private static let sectorSize = 512
    private static let digestSize = 32

    static let save = Command(
        "save",
        "<filename>",
        "Saves the database of one member into a file",
        long: """
            Fetches the database of the one member that --endpoints names, and saves it into <filename>. The file appears when it is
            whole and on the disk; until then its name ends in .part. It takes as long as it takes, unless --command-timeout is given.
            """,
        example: """
              etcdctl snapshot save backup.db
              etcdctl snapshot save "backup-$(date +%Y%m%d-%H%M%S).db" --command-timeout 10m
            """
    ) { call in
        guard call.arguments.count == 1 else { throw badArguments("snapshot save expects one argument <filename>") }
        let path = call.arguments[0]
        let context = try await connect(call, exit: ExitCode.interrupted)
        let targets = context.client.endpoints
        guard targets.count == 1 else {
            throw CommandExit(
                ExitCode.interrupted,
                "snapshot must be requested to one selected node, not multiple [\(targets.joined(separator: " "))]"
            )
        }
        let part = path + ".part"
        do throws(CommandExit) {
            let version = try await fetch(context, from: targets[0], into: part, path: path)
            Terminal.out("Snapshot saved at \(path)\n")
            if !version.isEmpty { Terminal.out("Server version \(version)\n") }
        } catch {
            unlink(part)
            throw error
        }
    }

    private static func log(_ message: String, _ fields: [(String, String)]) {
        Terminal.error(logLine("info", logger: nil, caller: "snapshot/v3_snapshot.go:65", message, fields))
    }

    /// What Go's client says by itself while the file comes.
    private static func logClient(_ message: String) {
        Terminal.error(logLine("info", logger: "client", caller: "v3/maintenance.go:236", message, []))
    }

    private static func problem(_ what: String) -> CommandExit {
        CommandExit(ExitCode.interrupted, "\(what): \(String(cString: strerror(errno)).lowercased())")
    }

    /// - Returns: the member's version, empty if it doesn't tell.
    private static func fetch(_ context: Context, from target: String, into part: String, path: String)
        async throws(CommandExit) -> String
    {
        let descriptor = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else {
            throw CommandExit(
                ExitCode.interrupted,
                "could not open \(part) (open \(part): \(String(cString: strerror(errno)).lowercased()))"
            )
        }
        defer { close(descriptor) }
        log("created temporary db file", [("path", jsonText(part))])
        let start = ContinuousClock.now
        let progress = Received()
        logClient("opened snapshot stream; downloading")
        log("fetching snapshot", [("endpoint", jsonText(target))])
        let call = context.invocation
        do {
            try await Progress.showing(
                {
                    let (bytes, remaining) = (progress.bytes, progress.remaining)
                    return "\(humanSize(bytes)) of \(humanSize(bytes + remaining)), \(Progress.seconds(since: start))"
                },
                during: {
                    try await within(
                        Settings.isSet("command-timeout", call) ? Settings.duration("command-timeout", call) : nil
                    ) {
                        try await context.client.stream(
                            .snapshot,
                            at: target,
                            send: { try await $0.write(.init()) },
                            receive: { answer in
                                do { try write(answer.blob, to: descriptor) } catch {
                                    // The stream would only tell that it broke.
                                    progress.fail((error as? CommandExit)?.message)
                                    throw error
                                }
                                progress.add(answer)
                            }
                        )
                    }
                }
            )
        } catch {
            // As etcdctl: of this call alone the member's answer is shown with its code.
            let answer = (error as? ClientError).flatMap { $0.stage == .answered ? $0.logDescription : nil }
            throw CommandExit(ExitCode.interrupted, progress.failure ?? answer ?? failed(error).message)
        }
        logClient("completed snapshot read; closing")
        let size = progress.bytes
        guard size % Int64(sectorSize) == digestSize else {
            throw CommandExit(ExitCode.interrupted, "sha256 checksum not found [bytes: \(size)]")
        }
        guard fsync(descriptor) == 0 else { throw problem("could not fsync snapshot") }
        log(
            "fetched snapshot",
            [
                ("endpoint", jsonText(target)), ("size", jsonText(humanSize(size))),
                ("took", jsonText(goText(.now - start))),
                ("etcd-version", jsonText(progress.version)),
            ]
        )
        guard rename(part, path) == 0 else {
            throw CommandExit(
                ExitCode.interrupted,
                "could not rename \(part) to \(path) (\(String(cString: strerror(errno)).lowercased()))"
            )
        }
        log("saved", [("path", jsonText(path))])
        return progress.version
    }

    private static func write(_ blob: Data, to descriptor: Int32) throws(CommandExit) {
        var written = 0
        while written < blob.count {
            let count = blob.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, blob.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw problem("could not write snapshot") }
            written += count
        }
    }
}

/// What of a snapshot has come.
private final class Received: Sendable {
    private let state = Mutex((bytes: Int64(0), remaining: Int64(0), version: "", failure: String?.none))

    func add(_ answer: Etcdserverpb_SnapshotResponse) {
        state.withLock { state in
            state.bytes += Int64(answer.blob.count)
            state.remaining = Int64(clamping: answer.remainingBytes)
            if !answer.version.isEmpty { state.version = answer.version }
        }
    }

    func fail(_ message: String?) { state.withLock { $0.failure = message } }

    var bytes: Int64 { state.withLock { $0.bytes } }
    var remaining: Int64 { state.withLock { $0.remaining } }
    var version: String { state.withLock { $0.version } }
    var failure: String? { state.withLock { $0.failure } }
}
