// What a file of certificates says, without a connection.

import Foundation
import SwiftASN1
import X509

package enum CertificateFile {
    /// The common name of the first certificate in a file; empty if it has none.
    /// - Throws: ``TLSError`` if there is no certificate to read.
    package static func commonName(path: String) throws(TLSError) -> String {
        let begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----"
        do {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            guard let first = text.range(of: begin),
                let last = text.range(of: end, range: first.upperBound..<text.endIndex)
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
