// `SetMemberLocalAddr`: where a member's connections to the others come from.

import NIOCore
import ServerConfiguration
import ServerLog

extension ServerConfiguration {
    /// The first address of the advertised peer URLs that others could know this member by; empty if the gate is off or there is
    /// none.
    func inferLocalAddress(_ logger: ServerLogger) -> String {
        guard featureGates.isEnabled(.setMemberLocalAddr) else { return "" }
        let urls = LogField.strings("advertise-peer-urls", listen.advertisePeerURLs.map(\.description))
        logger.info("searching for a suitable member local address in AdvertisePeerURLs", [urls])
        for url in listen.advertisePeerURLs where !url.isSocket {
            guard let address = try? SocketAddress(ipAddress: url.hostname, port: 0), !address.isLoopback, !address.isUnspecified
            else { continue }
            logger.info("setting member local address", [.string("LocalAddr", url.hostname)])
            return url.hostname
        }
        logger.warn("unable to set a member local address due to lack of suitable local addresses", [urls])
        return ""
    }
}

extension SocketAddress {
    fileprivate var isLoopback: Bool {
        guard let text = ipAddress else { return false }
        return text.hasPrefix("127.") || text == "::1" || text.hasPrefix("::ffff:127.")
    }

    fileprivate var isUnspecified: Bool { ipAddress == "0.0.0.0" || ipAddress == "::" }
}
