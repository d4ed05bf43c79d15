import Base
import Testing

@Suite struct TLSFailureTextTests {
    @Test(arguments: [
        (
            "handshakeFailed(NIOSSL.BoringSSLError.sslError([Error: 268436496 error:10000410:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE at /a/ssl/tls_record.cc:491, Error: 268435610 error:1000009a:SSL routines:OPENSSL_internal:HANDSHAKE_FAILURE_ON_CLIENT_HELLO at /a/ssl/handshake.cc:591]))",
            "remote error: tls: handshake failure"
        ),
        ("error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at x", "tls: failed to verify certificate"),
        ("OPENSSL_internal:WRONG_VERSION_NUMBER at a", "tls: first record does not look like a TLS handshake"),
        ("OPENSSL_internal:BAD_ECC_CERT at a", "tls: bad ecc cert"),
        (
            "NIOSSLExtraError.failedToValidateHostname: Couldn't find example.org in certificate from peer",
            "tls: failed to verify certificate: x509: certificate is not valid for example.org"
        ),
        ("Error:  EOF during handshake", "EOF"), ("uncleanShutdown", "EOF"), ("connection reset (errno: 104)", nil),
        ("OPENSSL_internal:", nil), ("Couldn't find it", nil), ("", nil),
    ])
    func words(description: String, text: String?) { #expect(tlsFailureText(description) == text) }
}
