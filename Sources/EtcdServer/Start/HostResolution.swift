// URLs of peers are compared by the addresses that their hosts stand for, as etcd does: one member may be named by a host
// in one place and by its address in another. Blocks; not on the loop.

import ServerConfiguration
import ServerLog
import Threads
import TransportSecurity

struct HostResolution {
    private let logger: ServerLogger
    /// For all hosts together; etcd's.
    private static let timeout = Duration.seconds(30)
    /// Between two questions about a host that nobody knows; etcd's.
    private static let retryInterval = Duration.seconds(1)
    private let deadline = ContinuousClock.now + HostResolution.timeout

    init(_ logger: ServerLogger) {
        self.logger = logger
    }

    /// The URL with its host's address, of several the first of the older kind; itself where it names an address or
    /// `localhost`; nil if nobody knows the host in time.
    func resolved(_ url: EndpointURL) -> EndpointURL? {
        let host = url.hostname
        if url.isSocket || host == "localhost" || HostNames.isAddress(host) { return url }
        while true {
            let addresses = HostNames.addresses(of: host)
            if let address = addresses.first(where: { !$0.contains(":") }) ?? addresses.first {
                let text = address.contains(":") ? "[\(address)]" : address
                logger.info(
                    "resolved URL Host",
                    [
                        .string("url", url.description), .string("host", url.host),
                        .string("resolved-addr", "\(text):\(url.port)"),
                    ]
                )
                return EndpointURL(scheme: url.scheme, host: "\(text):\(url.port)")
            }
            logger.warn(
                "failed to resolve URL Host",
                [
                    .string("url", url.description), .string("host", url.host),
                    .duration("retry-interval", Self.retryInterval),
                    .error("lookup \(host): no such host"),
                ]
            )
            if ContinuousClock.now + Self.retryInterval >= deadline { return nil }
            sleepThread(Self.retryInterval)
        }
    }

    /// Whether two lists name the same places.
    func areEqual(_ left: [EndpointURL], _ right: [EndpointURL]) -> Bool {
        if left.map(\.description).sorted() == right.map(\.description).sorted() { return true }
        guard left.count == right.count else { return false }
        let (one, other) = (
            left.compactMap { resolved($0)?.description }, right.compactMap { resolved($0)?.description }
        )
        return one.count == left.count && one.sorted() == other.sorted()
    }
}
