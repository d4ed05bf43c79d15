// Waiting for a database's lock, which a member that runs holds: `--timeout` says for how long.

import BBolt
import Backend
import CommandLineKit
import FileIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tries until the time is over; a time of 0 has no end.
struct LockWait {
    /// Between two tries; bbolt's own.
    private static let pauseMicroseconds: UInt32 = 50_000

    private let timeout: Duration
    private let start = ContinuousClock.now

    init(_ call: Invocation) { timeout = call.duration("timeout") }

    /// Runs `body` until it no longer fails for the lock.
    func run<R: ~Copyable>(_ body: () throws(BBoltError) -> R) throws(BBoltError) -> R {
        while true {
            do throws(BBoltError) {
                return try body()
            } catch {
                guard case .locked = error, timeout == .zero || ContinuousClock.now - start < timeout else {
                    throw error
                }
                usleep(Self.pauseMicroseconds)
            }
        }
    }
}

/// A database that is only read: under a lock that other readers may have too, but no member.
final class SharedDatabase {
    /// Bytes.
    private static let sizeMin: UInt64 = 4096

    let database: Database
    private let descriptor: Int32

    /// - Parameter mapBytes: address space to reserve; nil for the default.
    init(_ path: String, _ call: Invocation) throws(BBoltError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(Self.systemError("open", path)) }
        self.descriptor = descriptor
        do throws(BBoltError) {
            try LockWait(call).run { () throws(BBoltError) in
                if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return }
                throw errno == EWOULDBLOCK ? .locked(path: path) : .file(Self.systemError("flock", path))
            }
            // bbolt looks for a meta in no less than this.
            if try Self.onDisk({ () throws(FileError) in try disk.status(path)?.sizeBytes ?? 0 }) < Self.sizeMin {
                throw .noValidMeta(path: path, reason: "invalid database")
            }
            var options = DatabaseOptions()
            options.readOnly = true
            database = try Database.open(path, fileSystem: disk, options: options)
        } catch {
            Self.close(descriptor)
            throw error
        }
    }

    deinit {
        database.close()
        Self.close(descriptor)
    }

    private static func onDisk<R>(_ body: () throws(FileError) -> R) throws(BBoltError) -> R {
        do throws(FileError) { return try body() } catch { throw .file(error) }
    }

    private static func close(_ descriptor: Int32) {
        #if canImport(Glibc)
        _ = Glibc.close(descriptor)
        #else
        _ = Musl.close(descriptor)
        #endif
    }

    private static func systemError(_ operation: String, _ path: String) -> FileError {
        let number = errno
        return FileError(
            operation: operation,
            path: path,
            number: number,
            reason: String(cString: strerror(number)).lowercased()
        )
    }
}

/// Opens as a member would, under its lock. A failure ends the program as it ends Go's: that one panics.
func openBackend<R: ~Copyable>(
    _ path: String,
    _ call: Invocation,
    _ open: () throws(BBoltError) -> R
) throws(CommandExit) -> R {
    do throws(BBoltError) {
        return try LockWait(call).run(open)
    } catch {
        ConsoleLog.panic("failed to open database", ["path": .text(path), "error": .text(bboltText(error))])
        throw CommandExit(ExitCode.panic)
    }
}

/// Whether two paths lead to one file; false where either leads nowhere.
func isSameFile(_ left: String, _ right: String) -> Bool {
    var (first, second) = (stat(), stat())
    guard stat(left, &first) == 0, stat(right, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}
