// Whom a verified certificate belongs to, and whether that one may come in.

import NIOCore
import NIOSSL
import NIOTLS
import SwiftASN1
import X509

/// Stands behind the TLS handler; lets nothing through before it is satisfied.
final class IdentityCheck: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let settings: TLSSettings
    private let revocation: RevocationFile
    private var named: (String?) -> Void
    private var rejected: (String) -> Void
    private var isRefused = false

    init(
        _ settings: TLSSettings, _ revocation: RevocationFile, named: @escaping (String?) -> Void,
        rejected: @escaping (String) -> Void
    ) {
        self.settings = settings
        self.revocation = revocation
        self.named = named
        self.rejected = rejected
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { check(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func check(_ context: ChannelHandlerContext) {
        guard settings.asksForCertificate else { return }
        do {
            guard let shown = try context.pipeline.syncOperations.nioSSL_peerCertificate() else {
                throw TLSError("tls: client didn't provide a certificate")
            }
            let certificate = try Certificate(derEncoded: try shown.toDERBytes())
            let commonName = certificate.subject.commonName
            if try revocation.serials()?.contains(Array(certificate.serialNumber.bytes)) == true {
                throw TLSError("transport: certificate serial \(certificate.serialNumber) revoked")
            }
            if !settings.allowedCommonNames.isEmpty, !settings.allowedCommonNames.contains(commonName ?? "") {
                throw TLSError("client certificate authentication failed")
            }
            if !settings.allowedHostNames.isEmpty,
                !settings.allowedHostNames.contains(where: { certificate.isValid(forHost: $0) })
            {
                throw TLSError("client certificate authentication failed")
            }
            named(commonName)
        } catch {
            refuse(context, "\(error)")
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isRefused { context.fireChannelRead(data) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A client that closes without TLS's goodbye is no matter.
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return context.close(promise: nil) }
        refuse(context, "\(error)")
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isRefused else { return }
        isRefused = true
        rejected(reason)
        context.close(promise: nil)
    }
}

extension DistinguishedName {
    /// The last common name, as Go takes it.
    var commonName: String? {
        var found: String?
        for part in self {
            for attribute in part where attribute.type == .RDNAttributeType.commonName { found = String(describing: attribute.value) }
        }
        return found
    }
}

extension Certificate {
    /// Whether one of its alternative names is the host's; `*.` stands for one label.
    func isValid(forHost host: String) -> Bool {
        guard let names = try? extensions.subjectAlternativeNames else { return false }
        let wanted = host.lowercased()
        return names.contains { name in
            guard case .dnsName(let pattern) = name else { return false }
            let known = pattern.lowercased()
            if known == wanted { return true }
            guard known.hasPrefix("*."), let dot = wanted.firstIndex(of: ".") else { return false }
            return wanted[dot...] == known.dropFirst()
        }
    }
}
