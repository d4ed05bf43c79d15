// What a file of certificates says, without a connection.

import FoundationEssentials
import SwiftASN1
import X509

package enum CertificateFile {
    /// The common name of the first certificate in a file; empty if it has none.
    /// - Throws: ``TLSError`` if there is no certificate to read.
    package static func commonName(path: String) throws(TLSError) -> String {
        let begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----"
        do {
            guard let content = FileManager.default.contents(atPath: path) else { throw TLSError("it cannot be read") }
            let text = String(decoding: content, as: UTF8.self)
            guard let first = text.firstRange(of: begin),
                let last = text[first.upperBound...].firstRange(of: end)
            else {
                throw TLSError("there is no certificate in it")
            }
            let certificate = try Certificate(pemEncoded: String(text[first.lowerBound..<last.upperBound]))
            return certificate.subject.commonName ?? ""
        } catch {
            throw TLSError("failed to load the certificate \(path): \(error)")
        }
    }
}
