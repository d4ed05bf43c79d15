// TLS between members, as the settings ask for it.

import NIOCore
import PeerTransport
import ServerConfiguration
import ServerLog
import TransportSecurity

extension EtcdServer {
    /// Nil where no certificate is configured; bound to the member's loop.
    func peerTLS() throws -> NIOLoopBound<PeerTLS>? {
        var tls = configuration.security.peer
        let listen = configuration.listen
        var isSelfMade = false
        if tls.autoTLS, tls.certFile.isEmpty, tls.keyFile.isEmpty {
            let hosts = listen.peerURLs.filter { $0.isTLS && !$0.isSocket }.map(\.host)
            guard !hosts.isEmpty else { return nil }
            let made = try SelfSignedCertificate.files(
                in: configuration.dataDirectory + "/fixtures/peer", hosts: hosts,
                validYears: configuration.security.selfSignedCertValidityYears)
            (tls.certFile, tls.keyFile, isSelfMade) = (made.certificate, made.key, true)
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
            for url in listen.peerURLs where url.isTLS {
                throw ServerStartError(
                    description: "TLS key/cert (--peer-cert-file, --peer-key-file) must be provided for peer url \(url) with HTTPS scheme")
            }
            return nil
        }
        for url in listen.peerURLs where !url.isTLS {
            logger.warn(
                "scheme is http or unix while peer key and cert files are present; ignoring peer key and cert files",
                [.string("peer-url", url.description)])
        }
        logger.info(
            "starting with peer TLS",
            [.string("cert", tls.certFile), .string("key", tls.keyFile), .string("trusted-ca", tls.trustedCAFile)])
        let security = configuration.security
        let server = TLSSettings(
            certificateFile: tls.certFile, keyFile: tls.keyFile, trustedCAFile: tls.trustedCAFile,
            requiresClientCertificate: tls.clientCertAuth, revocationListFile: tls.crlFile,
            allowedCommonNames: tls.allowedCommonNames, allowedHostNames: tls.allowedHostnames,
            cipherSuites: security.cipherSuites, minimumVersionIs13: security.tlsMinVersion == .tls13,
            maximumVersionIs12: security.tlsMaxVersion == .tls12, comparesAddresses: !tls.skipClientSANVerification, protocols: ["http/1.1"])
        let client = ClientTLSSettings(
            certificateFile: tls.clientCertFile.isEmpty ? tls.certFile : tls.clientCertFile,
            keyFile: tls.clientKeyFile.isEmpty ? tls.keyFile : tls.clientKeyFile, trustedCAFile: tls.trustedCAFile,
            skipsVerification: isSelfMade, cipherSuites: security.cipherSuites,
            minimumVersionIs13: security.tlsMinVersion == .tls13, maximumVersionIs12: security.tlsMaxVersion == .tls12)
        let (loop, logger) = (loop, logger)
        do {
            return try loop.submit {
                let (accepting, connecting) = (try ServerTLS(server), try ClientTLS(client))
                return NIOLoopBound(Self.peerTLS(accepting, connecting, logger), eventLoop: loop)
            }.wait()
        } catch {
            throw ServerStartError(description: "\(error)")
        }
    }

    private static func peerTLS(_ accepting: ServerTLS, _ connecting: ClientTLS, _ logger: ServerLogger) -> PeerTLS {
        PeerTLS(
            client: { host in [try connecting.handler(host: host)] },
            server: { channel in
                let remote = channel.remoteAddress.map { "\($0.ipAddress ?? $0.pathname ?? ""):\($0.port ?? 0)" } ?? ""
                try accepting.secure(
                    channel, named: { _ in },
                    rejected: { reason in
                        logger.warn(
                            "rejected connection on peer endpoint",
                            [.string("remote-addr", remote), .string("server-name", ""), .error(reason)])
                    })
            })
    }
}
