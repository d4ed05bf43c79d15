// TLS between members, as the settings ask for it.

import FileIO
import NIOCore
import PeerTransport
import ServerConfiguration
import ServerLog
import TransportSecurity

extension EtcdServer {
    /// Nil where no certificate is configured; bound to the member's loop.
    func peerTLS() throws -> NIOLoopBound<PeerTLS>? {
        let listen = configuration.listen
        let configured = configuration.security.peer
        for url in listen.peerURLs where !url.isTLS {
            if !configured.certFile.isEmpty || !configured.keyFile.isEmpty {
                logger.warn(
                    "scheme is HTTP while key and cert files are present; ignoring key and cert files",
                    [.string("peer-url", url.description)])
            }
            if configured.clientCertAuth {
                logger.warn(
                    "scheme is HTTP while --peer-client-cert-auth is enabled; ignoring client cert auth for this URL",
                    [.string("peer-url", url.description)])
            }
        }
        guard
            let (tls, isSelfMade) = try certificates(
                configuration.security.peer, port: "peer", urls: listen.peerURLs, flags: "--peer-cert-file, --peer-key-file")
        else {
            // Connections to other members need the authorities, whatever this one listens with.
            if !configured.trustedCAFile.isEmpty { _ = try POSIXFileSystem().read(configured.trustedCAFile) }
            return nil
        }
        logger.info(
            "starting with peer TLS",
            [.string("cert", tls.certFile), .string("key", tls.keyFile), .string("trusted-ca", tls.trustedCAFile)])
        let security = configuration.security
        var server = listening(tls)
        server.comparesAddresses = !tls.skipClientSANVerification
        server.protocols = ["http/1.1"]
        let client = ClientTLSSettings(
            certificateFile: tls.clientCertFile.isEmpty ? tls.certFile : tls.clientCertFile,
            keyFile: tls.clientKeyFile.isEmpty ? tls.keyFile : tls.clientKeyFile, trustedCAFile: tls.trustedCAFile,
            skipsVerification: isSelfMade, cipherSuites: security.cipherSuites,
            minimumVersionIs13: security.tlsMinVersion == .tls13, maximumVersionIs12: security.tlsMaxVersion == .tls12)
        let (loop, logger, settings) = (loop, logger, server)
        do {
            return try loop.submit {
                let (accepting, connecting) = (try ServerTLS(settings), try ClientTLS(client))
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
