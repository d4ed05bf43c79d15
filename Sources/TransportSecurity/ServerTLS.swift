// The TLS of a listening port: a handler for each connection, from the files as they are when it comes.
//
// Renewed certificates take effect with the next connection, without a restart. While the new files cannot be read, or
// do not fit each other, the connection is refused, as etcd does, and nothing else changes.

import FoundationEssentials
package import NIOCore
import NIOSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Confined to one event loop.
package final class ServerTLS {
    package let settings: TLSSettings
    private var context: NIOSSLContext?
    private var stamps: [FileStamp?] = []
    private let revocation: RevocationFile

    /// - Throws: what is wrong with the files, so that the member does not start with them.
    package init(_ settings: TLSSettings) throws {
        self.settings = settings
        revocation = RevocationFile(settings.revocationListFile)
        _ = try currentContext()
        _ = try revocation.serials()
    }

    /// Adds TLS to a connection that has just been accepted.
    /// - Parameters:
    ///   - named: told the common name of the client's certificate once the handshake is done, if it showed one.
    ///   - rejected: told why a connection was refused.
    package func secure(
        _ channel: any Channel, named: @escaping (String?) -> Void, rejected: @escaping (_ reason: String) -> Void
    ) throws {
        let handler = NIOSSLServerHandler(context: try currentContext())
        let check = IdentityCheck(settings, revocation, named: named, rejected: rejected)
        try channel.pipeline.syncOperations.addHandlers([handler, check])
    }

    private func currentContext() throws -> NIOSSLContext {
        let now = [settings.certificateFile, settings.keyFile, settings.trustedCAFile].map(FileStamp.init(path:))
        if let context, now == stamps { return context }
        let configuration = try makeConfiguration()
        let made: NIOSSLContext
        do {
            made = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError("the certificate \(settings.certificateFile) and the key \(settings.keyFile) do not fit: \(error)")
        }
        (context, stamps) = (made, now)
        return made
    }

    private func makeConfiguration() throws -> TLSConfiguration {
        let chain: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
        do {
            chain = try NIOSSLCertificate.fromPEMFile(settings.certificateFile)
        } catch {
            throw TLSError("failed to load the certificate \(settings.certificateFile): \(error)")
        }
        do {
            key = try NIOSSLPrivateKey(file: settings.keyFile, format: .pem)
        } catch {
            throw TLSError("failed to load the key \(settings.keyFile): \(error)")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = settings.minimumVersionIs13 ? .tlsv13 : .tlsv12
        configuration.maximumTLSVersion = settings.maximumVersionIs12 ? .tlsv12 : nil
        configuration.applicationProtocols = settings.protocols
        configuration.curves = NIOTLSCurve.acceptedFromPeers
        if settings.asksForCertificate {
            configuration.verifySignatureAlgorithms = SignatureAlgorithm.acceptedFromPeers
            configuration.certificateVerification = .noHostnameVerification
            if settings.trustedCAFile.isEmpty {
                configuration.trustRoots = .default
            } else {
                do {
                    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(settings.trustedCAFile))
                } catch {
                    throw TLSError("failed to load the CA certificates \(settings.trustedCAFile): \(error)")
                }
                configuration.sendCANameList = true
            }
        }
        let chosen = settings.cipherSuites.compactMap { CipherSuite.byName[$0] }
        if !chosen.isEmpty { configuration.cipherSuiteValues = chosen }
        return configuration
    }
}

/// What tells that a file was replaced.
struct FileStamp: Equatable {
    private let modifiedSeconds: Int
    private let modifiedNanoseconds: Int
    private let size: Int
    private let number: UInt

    init?(path: String) {
        var status = stat()
        guard !path.isEmpty, stat(path, &status) == 0 else { return nil }
        modifiedSeconds = status.st_mtim.tv_sec
        modifiedNanoseconds = status.st_mtim.tv_nsec
        size = Int(status.st_size)
        number = UInt(status.st_ino)
    }
}

/// TLS 1.2's cipher suites by the names Go gives them.
enum CipherSuite {
    static let byName: [String: NIOTLSCipher] = [
        "TLS_RSA_WITH_AES_128_CBC_SHA": NIOTLSCipher(0x002F), "TLS_RSA_WITH_AES_256_CBC_SHA": NIOTLSCipher(0x0035),
        "TLS_RSA_WITH_AES_128_GCM_SHA256": NIOTLSCipher(0x009C), "TLS_RSA_WITH_AES_256_GCM_SHA384": NIOTLSCipher(0x009D),
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": NIOTLSCipher(0xC009), "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": NIOTLSCipher(0xC00A),
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": NIOTLSCipher(0xC013), "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": NIOTLSCipher(0xC014),
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": NIOTLSCipher(0xC02B), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": NIOTLSCipher(0xC02C),
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": NIOTLSCipher(0xC02F), "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": NIOTLSCipher(0xC030),
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": NIOTLSCipher(0xCCA8), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": NIOTLSCipher(0xCCA9),
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": NIOTLSCipher(0xCCA8),
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": NIOTLSCipher(0xCCA9),
    ]
}
