// How a connection notices that the other side has fallen silent: the kernel's probes, as TCP has them.

import Glibc
package import NIOCore

package struct KeepAlive: Sendable {
    /// After so much silence the kernel asks.
    package var time: TimeAmount
    /// An answer must come, and what is sent be taken, within this.
    package var timeout: TimeAmount

    package init(time: TimeAmount, timeout: TimeAmount) {
        self.time = time
        self.timeout = timeout
    }

    /// The kernel counts whole seconds for the one, milliseconds for the other.
    var options: [(NIOBSDSocket.Option, SocketOptionValue)] {
        let seconds = max(1, time.nanoseconds / 1_000_000_000)
        let milliseconds = max(1, timeout.nanoseconds / 1_000_000)
        return [
            (NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE), SocketOptionValue(clamping: seconds)),
            (NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL), SocketOptionValue(clamping: seconds)),
            (NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT), SocketOptionValue(clamping: milliseconds)),
        ]
    }
}
