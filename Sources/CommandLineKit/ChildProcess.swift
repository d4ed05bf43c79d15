// Runs another program with our outputs and no input, as etcd's tools do for `lock` and `watch`.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The program could not be started.
package struct ChildProcessError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

package enum ChildProcess {
    /// How a program ended.
    package enum Ending: Sendable, Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)

        /// What whoever waited for the program ends with: its own code, or 255 after a signal.
        package var code: Int32 {
            switch self {
            case .exited(let code): code
            case .signalled: 255
            }
        }

        package var description: String {
            switch self {
            case .exited(let code): "exit status \(code)"
            case .signalled(let number): "signal: \(String(cString: strsignal(number)).lowercased())"
            }
        }
    }

    /// Starts the program and waits for its end. Blocks the thread.
    /// - Parameter environment: `NAME=value` each; of two with one name the first counts.
    package static func run(_ words: [String], environment: [String]) throws(ChildProcessError) -> Ending {
        guard let name = words.first, !name.isEmpty else { throw ChildProcessError(description: "exec: no command") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals that we wait for or ignore, and those that our threads don't take, are the child's own again.
        var defaults = sigset_t(), mask = sigset_t()
        sigemptyset(&mask)
        sigemptyset(&defaults)
        for number in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))
        var child: pid_t = 0
        let result = withTerminated(words) { arguments in
            withTerminated(environment) { posix_spawnp(&child, name, &actions, &attributes, arguments, $0) }
        }
        guard result == 0 else {
            throw ChildProcessError(
                description: result == ENOENT && !name.contains("/")
                    ? "exec: \(name.quoted): executable file not found in $PATH"
                    : "fork/exec \(name): \(String(cString: strerror(result)).lowercased())"
            )
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else {
                throw ChildProcessError(description: "wait: \(String(cString: strerror(errno)).lowercased())")
            }
        }
        let signal = status & 0x7F
        return signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal)
    }

    /// The texts as C has lists of them: pointers to terminated strings, and a null pointer at the end.
    private static func withTerminated<Result>(
        _ texts: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let pointers = texts.map { text -> UnsafeMutablePointer<CChar>? in
            let bytes = text.rawBytes.map { CChar(bitPattern: $0) } + [0]
            return strdup(bytes)
        }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }
}
