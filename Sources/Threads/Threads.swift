// Threads of the system, for what blocks.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs `body` on a thread of its own that nobody waits for.
/// - Parameters:
///   - name: as the system's tools show it; no more than fifteen bytes of it.
///   - stackBytes: of the thread's stack, or nil for the system's usual size.
package func startThread(named name: String? = nil, stackBytes: Int? = nil, _ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var thread = pthread_t()
    let number = pthread_create(
        &thread,
        &attributes,
        { argument in
            guard let argument else { return nil }
            let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
            if let name = start.name { nameThread(name) }
            start.body()
            return nil
        },
        start.toOpaque()
    )
    // Who asks for a thread cannot go on without it.
    precondition(number == 0, "a thread cannot be made: \(String(cString: strerror(number)))")
}

/// Lets the calling thread sleep.
package func sleepThread(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var rest = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var wanted = rest
    while nanosleep(&wanted, &rest) != 0, errno == EINTR { wanted = rest }
}

/// The calling thread; the call for it is one of GNU's that Swift does not see.
private func nameThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, name, name.utf8.count)
    close(descriptor)
}

private final class ThreadStart: Sendable {
    let name: String?
    let body: @Sendable () -> Void

    init(name: String?, body: @escaping @Sendable () -> Void) {
        self.name = name.map { name in
            var bytes = 0
            return String(
                name.prefix { character in
                    bytes += character.utf8.count
                    return bytes < 16
                }
            )
        }
        self.body = body
    }
}
