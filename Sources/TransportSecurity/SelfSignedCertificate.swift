// Certificates that a member makes for itself (`--auto-tls`): they encrypt and prove nothing.

import Crypto
import FoundationEssentials
import SwiftASN1
import X509

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

package enum SelfSignedCertificate {
    /// Makes `cert.pem` and `key.pem` in a directory, unless they are there.
    /// - Parameter hosts: names and addresses the certificate is good for, ports and all.
    /// - Returns: the paths, and whether they are new.
    package static func files(
        in directory: String, hosts: [String], validYears: UInt64
    ) throws -> (certificate: String, key: String, areNew: Bool) {
        let (certificatePath, keyPath) = (directory + "/cert.pem", directory + "/key.pem")
        let manager = FileManager.default
        if manager.fileExists(atPath: certificatePath), manager.fileExists(atPath: keyPath) {
            return (certificatePath, keyPath, false)
        }
        try manager.createDirectory(atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let (certificate, key) = try make(hosts: hosts, validYears: validYears)
        for (path, text) in [(certificatePath, certificate), (keyPath, key)] {
            guard manager.createFile(atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]) else {
                throw TLSError("cannot write \(path)")
            }
        }
        return (certificatePath, keyPath, true)
    }

    private static func make(hosts: [String], validYears: UInt64) throws -> (certificate: String, key: String) {
        let key = P521.Signing.PrivateKey()
        let name = try DistinguishedName { OrganizationName("etcd") }
        let now = Date()
        let names: [GeneralName] = hosts.map { host in
            let bare = withoutPort(host)
            if let address = addressBytes(bare) { return .ipAddress(ASN1OctetString(contentBytes: address[...])) }
            return .dnsName(bare)
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: now, notValidAfter: now.addingTimeInterval(Double(max(1, validYears)) * 365 * 24 * 3600), issuer: name,
            subject: name, signatureAlgorithm: .ecdsaWithSHA512,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true, keyCertSign: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names)
            },
            issuerPrivateKey: Certificate.PrivateKey(key))
        return (try certificate.serializeAsPEM().pemString, key.pemRepresentation)
    }

    private static func withoutPort(_ host: String) -> String {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[host.index(after: host.startIndex)..<end]) }
        return host.split(separator: ":", omittingEmptySubsequences: false).count == 2 ? String(host.prefix { $0 != ":" }) : host
    }

    private static func addressBytes(_ host: String) -> [UInt8]? {
        for (family, size) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: size)
            if inet_pton(family, host, &bytes) == 1 { return bytes }
        }
        return nil
    }
}
