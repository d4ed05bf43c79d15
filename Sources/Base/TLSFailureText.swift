// Why TLS failed, in the words that etcd's users know: Go's. The TLS library tells it as a stack of names and lines of code.

/// - Parameter description: how the library describes its error.
/// - Returns: nil if nothing in it is known to be about TLS.
package func tlsFailureText(_ description: String) -> String? {
    if let name = reasonName(in: description) {
        if let alert = alerts[name] { return "remote error: tls: \(alert)" }
        return "tls: " + (reasons[name] ?? name.lowercased().split(separator: "_").joined(separator: " "))
    }
    if let start = description.range(after: "Couldn't find "), let end = description[start...].range(after: " in certificate") {
        let name = description[start..<end].dropLast(" in certificate".count)
        return "tls: failed to verify certificate: x509: certificate is not valid for \(name)"
    }
    if description.contains("unableToValidateCertificate") { return "tls: failed to verify certificate" }
    if description.contains("EOF during handshake") || description.contains("uncleanShutdown") { return tlsEndText }
    if description.contains("Connection reset by peer") { return "read: connection reset by peer" }
    return nil
}

/// For who went away, be it before there was a handshake.
package let tlsEndText = "EOF"

/// `error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at …`
private func reasonName(in description: String) -> String? {
    guard let start = description.range(after: "OPENSSL_internal:") else { return nil }
    let name = description[start...].prefix { $0.isUppercase || $0.isNumber || $0 == "_" }
    return name.isEmpty ? nil : String(name)
}

/// Alerts of the other side (RFC 8446, section 6), by the library's name for them.
private let alerts = [
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": "unexpected message", "SSLV3_ALERT_BAD_RECORD_MAC": "bad record MAC",
    "TLSV1_ALERT_RECORD_OVERFLOW": "record overflow", "SSLV3_ALERT_HANDSHAKE_FAILURE": "handshake failure",
    "SSLV3_ALERT_BAD_CERTIFICATE": "bad certificate", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "revoked certificate", "SSLV3_ALERT_CERTIFICATE_EXPIRED": "expired certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "unknown certificate", "SSLV3_ALERT_ILLEGAL_PARAMETER": "illegal parameter",
    "TLSV1_ALERT_UNKNOWN_CA": "unknown certificate authority", "TLSV1_ALERT_ACCESS_DENIED": "access denied",
    "TLSV1_ALERT_DECODE_ERROR": "error decoding message", "TLSV1_ALERT_DECRYPT_ERROR": "error decrypting message",
    "TLSV1_ALERT_PROTOCOL_VERSION": "protocol version not supported",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "insufficient security level", "TLSV1_ALERT_INTERNAL_ERROR": "internal error",
    "TLSV1_ALERT_USER_CANCELLED": "user canceled", "TLSV1_UNRECOGNIZED_NAME": "unrecognized name",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "no application protocol", "TLSV1_CERTIFICATE_REQUIRED": "certificate required",
]

/// What this side found. Others are told by the library's name.
private let reasons = [
    "CERTIFICATE_VERIFY_FAILED": "failed to verify certificate",
    "WRONG_VERSION_NUMBER": "first record does not look like a TLS handshake",
    "HTTP_REQUEST": "first record does not look like a TLS handshake",
    "HTTPS_PROXY_REQUEST": "first record does not look like a TLS handshake",
    "UNSUPPORTED_PROTOCOL": "client offered only unsupported versions",
    "NO_SHARED_CIPHER": "no cipher suite supported by both client and server",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "client didn't provide a certificate",
    "NO_COMMON_SIGNATURE_ALGORITHMS": "peer doesn't support any of the certificate's signature algorithms",
]

extension StringProtocol {
    /// Where what follows the first occurrence of `text` begins.
    fileprivate func range(after text: String) -> Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return self.index(start, offsetBy: text.count) }
            start = self.index(after: start)
        }
        return nil
    }
}
