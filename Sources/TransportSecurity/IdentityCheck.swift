// Whom a verified certificate belongs to, and whether that one may come in.

import Base
import NIOCore
import NIOPosix
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
    /// What came while names are being resolved; nil otherwise.
    private var held: [NIOAny]?

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
            if settings.comparesAddresses { compareAddress(certificate, context) }
        } catch {
            refuse(context, tlsFailureText("\(error)") ?? "\(error)")
        }
    }

    /// As etcd: an address of the certificate's must be the connection's, or one of its names must lead there or back.
    private func compareAddress(_ certificate: Certificate, _ context: ChannelHandlerContext) {
        guard let remote = context.remoteAddress?.ipAddress else { return }
        let (addresses, names) = certificate.placesNamed
        if addresses.isEmpty && names.isEmpty { return }
        if addresses.contains(where: { $0.isAddress(remote) }) { return }
        if names.isEmpty {
            return refuse(context, "x509: certificate is valid for \(addresses.count) other addresses, not \(remote)")
        }
        // Resolving blocks: somewhere else, while what comes waits.
        held = []
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) {
            HostNames.isAddress(remote, of: names)
        }.whenComplete { result in
            let (handler, context) = bound.value
            let isThere = (try? result.get()) ?? false
            handler.release(context, isThere ? nil : "tls: \"\(remote)\" does not match any of DNSNames \(names)")
        }
    }

    private func release(_ context: ChannelHandlerContext, _ reason: String?) {
        let waiting = held ?? []
        held = nil
        if let reason { return refuse(context, reason) }
        for data in waiting { context.fireChannelRead(data) }
        if !waiting.isEmpty { context.fireChannelReadComplete() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isRefused { return }
        if held != nil { held?.append(data) } else { context.fireChannelRead(data) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A client that closes without TLS's goodbye is no matter.
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return context.close(promise: nil) }
        let reason = tlsFailureText("\(error)") ?? "\(error)"
        // Who asks only whether somebody listens is no rejected client.
        if reason == tlsEndText { return context.close(promise: nil) }
        refuse(context, reason)
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isRefused else { return }
        isRefused = true
        rejected(reason)
        context.close(promise: nil)
    }
}

extension Certificate {
    /// The addresses and host names of the subject's alternative names.
    fileprivate var placesNamed: (addresses: [CertificateAddress], names: [String]) {
        guard let names = try? extensions.subjectAlternativeNames else { return ([], []) }
        var (addresses, hosts): ([CertificateAddress], [String]) = ([], [])
        for name in names {
            switch name {
            case .dnsName(let host): hosts.append(host)
            case .ipAddress(let address): addresses.append(CertificateAddress(bytes: Array(address.bytes)))
            default: break
            }
        }
        return (addresses, hosts)
    }
}

/// An IP address as certificates have it.
private struct CertificateAddress: Equatable {
    var bytes: [UInt8]

    func isAddress(_ text: String) -> Bool {
        guard let packed = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: bytes), port: 0) else { return false }
        return packed.ipAddress == text
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
