// TLS as etcd's tools are told about it: files of certificates and keys.

package import NIOSSL

/// How a connection is secured.
public struct TransportSecurity: Sendable, Hashable {
    /// A file of PEM certificates that the member's certificate must lead to; nil trusts what the system trusts.
    public var trustedAuthorityFile: String?
    /// The client's own certificate (PEM), for members that ask for one; goes with ``keyFile``.
    public var certificateFile: String?
    /// The private key of ``certificateFile`` (PEM).
    public var keyFile: String?
    /// The name that the member's certificate must carry, if not the endpoint's host.
    public var serverName: String?
    /// Whether the member's certificate is believed unseen. For tests only.
    public var skipsVerification: Bool

    public init(
        trustedAuthorityFile: String? = nil,
        certificateFile: String? = nil,
        keyFile: String? = nil,
        serverName: String? = nil,
        skipsVerification: Bool = false
    ) {
        self.trustedAuthorityFile = trustedAuthorityFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.serverName = serverName
        self.skipsVerification = skipsVerification
    }

    /// What connections are secured with; reads the files.
    /// - Parameter protocols: what is spoken above TLS, as ALPN names it.
    /// - Throws: what is wrong with the files.
    package func context(protocols: [String]) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let certificateFile, let keyFile {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificateFile).map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: keyFile, format: .pem))
        }
        if let trustedAuthorityFile { configuration.trustRoots = .file(trustedAuthorityFile) }
        configuration.certificateVerification = skipsVerification ? .none : .fullVerification
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = protocols
        configuration.verifySignatureAlgorithms = Self.signatureAlgorithms
        configuration.curves = Self.curves
        return try NIOSSLContext(configuration: configuration)
    }

    // The library's choices, and P-521: the certificates that members make for themselves (`--auto-tls`) have keys of that curve.

    private static let signatureAlgorithms: [SignatureAlgorithm] = [
        .ecdsaSecp256R1Sha256, .rsaPssRsaeSha256, .rsaPkcs1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha384, .rsaPkcs1Sha384,
        .rsaPssRsaeSha512, .rsaPkcs1Sha512, .ecdsaSecp521R1Sha512, .ed25519,
    ]

    private static let curves: [NIOTLSCurve] = [.x25519_MLKEM768, .x25519, .secp256r1, .secp384r1, .secp521r1]
}
