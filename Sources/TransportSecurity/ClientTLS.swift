// The TLS of connections that this program opens: a handler for each, from the files as they are at that time.

package import NIOCore
import NIOSSL

/// How a connecting program checks the other side, and what it shows of itself.
package struct ClientTLSSettings: Sendable, Equatable {
    /// Files of PEM; empty for none: then nothing is shown.
    package var certificateFile: String
    package var keyFile: String
    /// The other side's certificate must chain to one of these; empty for the system's roots.
    package var trustedCAFile: String
    /// Set where certificates are made by each member for itself, so that they prove nothing.
    package var skipsVerification: Bool
    package var cipherSuites: [String]
    package var minimumVersionIs13: Bool
    package var maximumVersionIs12: Bool

    package init(
        certificateFile: String = "", keyFile: String = "", trustedCAFile: String = "", skipsVerification: Bool = false,
        cipherSuites: [String] = [], minimumVersionIs13: Bool = false, maximumVersionIs12: Bool = false
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.trustedCAFile = trustedCAFile
        self.skipsVerification = skipsVerification
        self.cipherSuites = cipherSuites
        self.minimumVersionIs13 = minimumVersionIs13
        self.maximumVersionIs12 = maximumVersionIs12
    }
}

extension NIOTLSCurve {
    /// The library's choice, and P-521: with TLS 1.2 a certificate's key must be of one of them.
    static let acceptedFromPeers: [NIOTLSCurve] = [.x25519_MLKEM768, .x25519, .secp256r1, .secp384r1, .secp521r1]
}

extension SignatureAlgorithm {
    /// The library's choice, and the curve of the certificates that members make for themselves.
    static let acceptedFromPeers: [SignatureAlgorithm] = [
        .ecdsaSecp256R1Sha256, .rsaPssRsaeSha256, .rsaPkcs1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha384, .rsaPkcs1Sha384,
        .rsaPssRsaeSha512, .rsaPkcs1Sha512, .ecdsaSecp521R1Sha512, .ed25519,
    ]
}

/// Confined to one event loop.
package final class ClientTLS {
    private let settings: ClientTLSSettings
    private var context: NIOSSLContext?
    private var stamps: [FileStamp?] = []

    /// - Throws: what is wrong with the files.
    package init(_ settings: ClientTLSSettings) throws {
        self.settings = settings
        _ = try currentContext()
    }

    /// - Parameter host: the name or address that the other side's certificate must be good for.
    package func handler(host: String) throws -> any ChannelHandler {
        // An address is no name: it is compared with the connection's.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: try currentContext(), serverHostname: isAddress ? nil : host)
    }

    private func currentContext() throws -> NIOSSLContext {
        let now = [settings.certificateFile, settings.keyFile, settings.trustedCAFile].map(FileStamp.init(path:))
        if let context, now == stamps { return context }
        let made = try NIOSSLContext(configuration: try makeConfiguration())
        (context, stamps) = (made, now)
        return made
    }

    private func makeConfiguration() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if !settings.certificateFile.isEmpty {
            do {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(settings.certificateFile).map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: settings.keyFile, format: .pem))
            } catch {
                throw TLSError("failed to load the certificate \(settings.certificateFile) and its key: \(error)")
            }
        }
        if settings.skipsVerification {
            configuration.certificateVerification = .none
        } else if !settings.trustedCAFile.isEmpty {
            do {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(settings.trustedCAFile))
            } catch {
                throw TLSError("failed to load the CA certificates \(settings.trustedCAFile): \(error)")
            }
        }
        configuration.verifySignatureAlgorithms = SignatureAlgorithm.acceptedFromPeers
        configuration.curves = NIOTLSCurve.acceptedFromPeers
        configuration.minimumTLSVersion = settings.minimumVersionIs13 ? .tlsv13 : .tlsv12
        configuration.maximumTLSVersion = settings.maximumVersionIs12 ? .tlsv12 : nil
        let chosen = settings.cipherSuites.compactMap { CipherSuite.byName[$0] }
        if !chosen.isEmpty { configuration.cipherSuiteValues = chosen }
        return configuration
    }
}
