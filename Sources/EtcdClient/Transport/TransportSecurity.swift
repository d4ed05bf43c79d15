// TLS as etcd's tools are told about it: files of certificates and keys.

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOSSL

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

    func grpc() throws -> HTTP2ClientTransport.Posix.TransportSecurity {
        .tls { tls in
            if let certificateFile, let keyFile {
                tls.certificateChain = [.file(path: certificateFile, format: .pem)]
                tls.privateKey = .file(path: keyFile, format: .pem)
            }
            if let trustedAuthorityFile {
                tls.trustRoots = .certificates([.file(path: trustedAuthorityFile, format: .pem)])
            }
            tls.serverCertificateVerification = skipsVerification ? .noVerification : .fullVerification
        }
    }
}
