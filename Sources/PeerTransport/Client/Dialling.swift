// How connections to peers are made, whatever they are for.

package import NIOCore

package struct Dialling {
    /// Until a connection stands.
    package var timeout: TimeAmount
    package var tls: PeerTLS?
    /// How a peer that has fallen silent is found; nil for what the system does.
    package var keepAlive: KeepAlive?
    /// Where connections come from; nil for what the system chooses.
    package var localAddress: SocketAddress?

    package init(
        timeout: TimeAmount = .seconds(5), tls: PeerTLS? = nil, keepAlive: KeepAlive? = nil, localAddress: SocketAddress? = nil
    ) {
        self.timeout = timeout
        self.tls = tls
        self.keepAlive = keepAlive
        self.localAddress = localAddress
    }
}
