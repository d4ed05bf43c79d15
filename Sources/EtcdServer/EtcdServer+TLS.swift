// TLS of the client port, as the settings ask for it.

import Base
import FrontDoor
import NIOCore
import ServerConfiguration
import ServerLog
import TransportSecurity

extension EtcdServer {
    /// Nil where no certificate is configured.
    func clientTLSSettings() throws -> TLSSettings? {
        var tls = configuration.security.client
        let listen = configuration.listen
        if tls.autoTLS, tls.certFile.isEmpty, tls.keyFile.isEmpty {
            let hosts = listen.clientURLs.filter { $0.isTLS && !$0.isSocket }.map(\.host)
            guard !hosts.isEmpty else { return nil }
            let made = try SelfSignedCertificate.files(
                in: configuration.dataDirectory + "/fixtures/client", hosts: hosts,
                validYears: configuration.security.selfSignedCertValidityYears)
            (tls.certFile, tls.keyFile) = (made.certificate, made.key)
            if made.areNew {
                logger.info("created cert file", [.string("path", made.certificate)])
                logger.info("created key file", [.string("path", made.key)])
            }
        }
        if tls.certFile.isEmpty != tls.keyFile.isEmpty {
            throw ServerStartError(
                description: "KeyFile and CertFile must both be present[key: \(tls.keyFile), cert: \(tls.certFile)]")
        }
        guard !tls.certFile.isEmpty else {
            for url in listen.clientURLs + listen.metricsURLs where url.isTLS {
                throw ServerStartError(
                    description: "TLS key/cert (--cert-file, --key-file) must be provided for client url \(url) with HTTPS scheme")
            }
            return nil
        }
        for url in listen.clientURLs where !url.isTLS {
            logger.warn(
                "scheme is http or unix while key and cert files are present; ignoring key and cert files",
                [.string("client-url", url.description)])
            if tls.clientCertAuth {
                logger.warn(
                    "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL",
                    [.string("client-url", url.description)])
            }
        }
        let security = configuration.security
        return TLSSettings(
            certificateFile: tls.certFile, keyFile: tls.keyFile, trustedCAFile: tls.trustedCAFile,
            requiresClientCertificate: tls.clientCertAuth, revocationListFile: tls.crlFile,
            allowedCommonNames: tls.allowedCommonNames, allowedHostNames: tls.allowedHostnames,
            cipherSuites: security.cipherSuites, minimumVersionIs13: security.tlsMinVersion == .tls13,
            maximumVersionIs12: security.tlsMaxVersion == .tls12)
    }

    /// Prepares a connection of the client port; on the member's loop.
    static func prepare(
        _ channel: any Channel, _ door: FrontDoor, _ tls: ServerTLS?, _ logger: ServerLogger
    ) throws {
        let sniffer = ProtocolSniffer(door)
        if let tls {
            let remote = channel.remoteAddress.map(Self.describe) ?? ""
            try tls.secure(
                channel, named: { [weak sniffer] name in sniffer?.certificateName = name },
                rejected: { reason in
                    logger.warn(
                        "rejected connection on client endpoint",
                        [.string("remote-addr", remote), .string("server-name", ""), .error(reason)])
                })
        }
        try channel.pipeline.syncOperations.addHandler(sniffer)
    }

    private static func describe(_ address: SocketAddress) -> String {
        "\(address.ipAddress ?? address.pathname ?? ""):\(address.port ?? 0)"
    }
}
