// TLS of the member's ports: what both have in common, and the client port's.

import Base
import NIOCore
import ServerConfiguration
import ServerLog
import TransportSecurity

extension EtcdServer {
    /// The files of one port; makes them where `--auto-tls` or `--peer-auto-tls` asks for it.
    /// - Parameters:
    ///   - port: "client" or "peer".
    ///   - urls: where the port listens; a certificate of our own making is good for these.
    ///   - others: URLs that cannot be served without a certificate either.
    ///   - flags: names of the flags for certificate and key.
    /// - Returns: nil where no certificate is configured.
    func certificates(
        _ configured: TLSConfiguration, port: String, urls: [EndpointURL], others: [EndpointURL] = [], flags: String
    ) throws -> (files: TLSConfiguration, areSelfMade: Bool)? {
        var tls = configured
        var areSelfMade = false
        if tls.autoTLS, tls.certFile.isEmpty, tls.keyFile.isEmpty, configuration.security.selfSignedCertValidityYears == 0 {
            let reason = "selfSignedCertValidity is invalid,it should be greater than 0"
            logger.warn("cannot generate cert", [.error(reason)])
            throw ServerStartError(description: reason, message: "failed to get \(port) self-signed certs")
        }
        if tls.autoTLS, tls.certFile.isEmpty, tls.keyFile.isEmpty {
            let hosts = urls.filter { $0.isTLS && !$0.isSocket }.map(\.host)
            guard !hosts.isEmpty else { return nil }
            let made = try SelfSignedCertificate.files(
                in: configuration.dataDirectory + "/fixtures/" + port, hosts: hosts,
                validYears: configuration.security.selfSignedCertValidityYears)
            (tls.certFile, tls.keyFile, areSelfMade) = (made.certificate, made.key, true)
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
            if port == "client", configuration.listen.metricsURLs.contains(where: \.isTLS) {
                throw ServerStartError(description: "client TLS key/cert (\(flags)) must be provided for metrics secure url")
            }
            for url in urls + others where url.isTLS {
                throw ServerStartError(
                    description: "TLS key/cert (\(flags)) must be provided for \(port) url \(url) with HTTPS scheme")
            }
            return nil
        }
        return (tls, areSelfMade)
    }

    /// How a port with these files lets others in.
    func listening(_ tls: TLSConfiguration) -> TLSSettings {
        let security = configuration.security
        return TLSSettings(
            certificateFile: tls.certFile, keyFile: tls.keyFile, trustedCAFile: tls.trustedCAFile,
            requiresClientCertificate: tls.clientCertAuth, revocationListFile: tls.crlFile,
            allowedCommonNames: tls.allowedCommonNames, allowedHostNames: tls.allowedHostnames,
            cipherSuites: security.cipherSuites, minimumVersionIs13: security.tlsMinVersion == .tls13,
            maximumVersionIs12: security.tlsMaxVersion == .tls12)
    }

    /// Nil where no certificate is configured.
    func clientTLSSettings() throws -> TLSSettings? {
        let listen = configuration.listen
        let configured = configuration.security.client
        for url in listen.clientURLs + listen.clientHTTPURLs where !url.isTLS {
            if !configured.certFile.isEmpty || !configured.keyFile.isEmpty {
                logger.warn(
                    "scheme is http or unix while key and cert files are present; ignoring key and cert files",
                    [.string("client-url", url.description)])
            }
            if configured.clientCertAuth {
                logger.warn(
                    "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL",
                    [.string("client-url", url.description)])
            }
        }
        // Files that nobody needs are not even looked at.
        guard configured.autoTLS || (listen.clientURLs + listen.clientHTTPURLs + listen.metricsURLs).contains(where: \.isTLS)
        else { return nil }
        guard
            let (tls, _) = try certificates(
                configuration.security.client, port: "client", urls: listen.clientURLs,
                others: listen.clientHTTPURLs + listen.metricsURLs,
                flags: "--cert-file, --key-file")
        else { return nil }
        return listening(tls)
    }
}
