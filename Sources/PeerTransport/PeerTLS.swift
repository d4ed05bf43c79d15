// The seam for encryption: this room knows where its handlers go, another one makes them.

package import NIOCore

/// Handlers that come before HTTP in a channel's pipeline: TLS. Both closures run on the transport's event loop.
package struct PeerTLS {
    /// - Parameter host: the name that the server's certificate must carry.
    package var client: (_ host: String) throws -> [any ChannelHandler]
    /// Puts them into the pipeline of a connection that has just been accepted.
    package var server: (_ channel: any Channel) throws -> Void

    package init(
        client: @escaping (_ host: String) throws -> [any ChannelHandler], server: @escaping (_ channel: any Channel) throws -> Void
    ) {
        self.client = client
        self.server = server
    }
}
