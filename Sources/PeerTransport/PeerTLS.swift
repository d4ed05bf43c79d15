// The seam for encryption: this room knows where its handlers go, another one makes them.

package import NIOCore

/// Handlers that come before HTTP in a channel's pipeline: TLS. Both closures run on the transport's event loop.
package struct PeerTLS {
    /// - Parameter host: the name that the server's certificate must carry.
    package var client: (_ host: String) throws -> [any ChannelHandler]
    package var server: () throws -> [any ChannelHandler]

    package init(
        client: @escaping (_ host: String) throws -> [any ChannelHandler], server: @escaping () throws -> [any ChannelHandler]
    ) {
        self.client = client
        self.server = server
    }
}
