// A gateway on the level of TCP: connections are taken, a member is chosen for each, and bytes go both ways unread.

package import NIOCore
import NIOPosix
import Synchronization

/// Listens until the process ends.
package final class TCPGateway: Sendable {
    /// What an operator should hear of.
    package enum Event: Sendable {
        /// Connecting failed: the member isn't chosen until it answers again.
        case deactivated(address: String, reason: String)
        /// It was tried again in vain.
        case stillInactive(address: String, reason: String)
        case activated(address: String)
    }

    private let table: Mutex<RemoteTable>
    private let retryDelay: TimeAmount
    private let report: @Sendable (Event) -> Void
    private let group: MultiThreadedEventLoopGroup

    /// A member that doesn't answer a connection for so long is as good as dead to a client that waits for it.
    private static let connectTimeout = TimeAmount.seconds(10)
    /// Connections that may wait to be accepted.
    private static let backlog: Int32 = 1024
    /// Where none is given, as for etcd.
    private static let defaultRetryDelay = TimeAmount.minutes(5)

    /// - Parameter retryDelay: how often members that are believed dead are tried.
    package init(_ remotes: [RemoteTable.Remote], retryDelay: TimeAmount, report: @escaping @Sendable (Event) -> Void) {
        table = Mutex(RemoteTable(remotes))
        self.retryDelay = retryDelay.nanoseconds > 0 ? retryDelay : Self.defaultRetryDelay
        self.report = report
        group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
    }

    /// Begins to take connections.
    /// - Throws: why the address cannot be listened on.
    package func start(host: String, port: Int) async throws -> any Channel {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Nothing is read before there is somebody to write it to.
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { [self] channel in
                serve(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: host, port: port).get()
        group.next().scheduleRepeatedTask(initialDelay: retryDelay, delay: retryDelay) { [self] _ in retryInactive() }
        return channel
    }

    // MARK: Connections

    private func serve(_ client: any Channel) {
        let picked = table.withLock { table in
            table.pick { Int.random(in: 0..<$0) }.map { (place: $0, remote: table.remotes[$0]) }
        }
        guard let (place, remote) = picked else {
            client.close(promise: nil)
            return
        }
        connect(to: remote, on: client.eventLoop).whenComplete { [self] outcome in
            switch outcome {
            case .success(let member): join(client, member)
            case .failure(let error):
                table.withLock { $0.deactivate(place) }
                report(.deactivated(address: remote.address, reason: Self.reason(error, remote)))
                serve(client)
            }
        }
    }

    private func connect(to remote: RemoteTable.Remote, on loop: any EventLoop) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: loop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: remote.host, port: remote.port)
    }

    /// On the event loop of both.
    private func join(_ client: any Channel, _ member: any Channel) {
        let (first, second) = GlueHandler.pair()
        do {
            try client.pipeline.syncOperations.addHandler(first)
            try member.pipeline.syncOperations.addHandler(second)
        } catch {
            client.close(promise: nil)
            member.close(promise: nil)
            return
        }
        guard client.isActive, member.isActive else {
            client.close(promise: nil)
            member.close(promise: nil)
            return
        }
        for channel in [client, member] {
            channel.setOption(.autoRead, value: true).whenFailure { _ in channel.close(promise: nil) }
        }
    }

    // MARK: Members that were dead

    private func retryInactive() {
        let inactive = table.withLock { table in table.inactive.map { ($0, table.remotes[$0]) } }
        for (place, remote) in inactive {
            connect(to: remote, on: group.next()).whenComplete { [self] outcome in
                switch outcome {
                case .success(let channel):
                    channel.close(promise: nil)
                    table.withLock { $0.activate(place) }
                    report(.activated(address: remote.address))
                case .failure(let error):
                    report(.stillInactive(address: remote.address, reason: Self.reason(error, remote)))
                }
            }
        }
    }

    /// As Go words it, where it is the plain case.
    private static func reason(_ error: any Error, _ remote: RemoteTable.Remote) -> String {
        let text = String(describing: error)
        let why =
            text.contains("errno: 111") || text.lowercased().contains("connection refused")
            ? "connection refused" : text
        return "dial tcp \(remote.address): connect: \(why)"
    }
}
