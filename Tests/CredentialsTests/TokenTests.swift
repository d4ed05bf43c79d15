// Signed tokens: every method there and back, foreign signatures, time, and mutations.

import Auth
import Base
import Credentials
import Crypto
import CryptoExtras
import Foundation
import SwiftASN1
import Testing
import X509

@Suite("Signed tokens")
struct TokenTests {
    struct Keys {
        var method: String
        var publicKey: [UInt8]?
        var privateKey: [UInt8]?
    }

    static func edwards(_ head: [UInt8], _ raw: Data, _ name: String) -> [UInt8] {
        Array("-----BEGIN \(name)-----\n\(Data(head + Array(raw)).base64EncodedString())\n-----END \(name)-----\n".utf8)
    }

    static func keys() throws -> [Keys] {
        let rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let (p256, p384, p521, ed) = (P256.Signing.PrivateKey(), P384.Signing.PrivateKey(), P521.Signing.PrivateKey(), Curve25519.Signing.PrivateKey())
        var all = ["HS256", "HS384", "HS512"].map { Keys(method: $0, publicKey: nil, privateKey: Array("a secret".utf8)) }
        for method in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
            all.append(Keys(method: method, publicKey: Array(rsa.publicKey.pemRepresentation.utf8), privateKey: Array(rsa.pemRepresentation.utf8)))
        }
        all.append(Keys(method: "ES256", publicKey: Array(p256.publicKey.pemRepresentation.utf8), privateKey: Array(p256.pemRepresentation.utf8)))
        all.append(Keys(method: "ES384", publicKey: Array(p384.publicKey.pemRepresentation.utf8), privateKey: Array(p384.pemRepresentation.utf8)))
        all.append(Keys(method: "ES512", publicKey: Array(p521.publicKey.pemRepresentation.utf8), privateKey: Array(p521.pemRepresentation.utf8)))
        let privateHead: [UInt8] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]
        let publicHead: [UInt8] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]
        all.append(
            Keys(
                method: "EdDSA", publicKey: edwards(publicHead, ed.publicKey.rawRepresentation, "PUBLIC KEY"),
                privateKey: edwards(privateHead, ed.rawRepresentation, "PRIVATE KEY")))
        return all
    }

    @Test("each method verifies what it signed, until it expires, and nothing else")
    func methods() throws {
        let subject = AuthSubject(user: "a \"user\"", revision: 7)
        var tokens: [String] = []
        let all = try Self.keys()
        for keys in all {
            let both = try SignedTokens(method: keys.method, lifetimeSeconds: 10, publicKey: keys.publicKey, privateKey: keys.privateKey)
            let token = try both.sign(subject, now: 1000)
            tokens.append(token)
            #expect(both.verify(token, now: 1009)?.subject == subject, "\(keys.method)")
            #expect(both.verify(token, now: 1009)?.expiry == 1010)
            #expect(both.verify(token, now: 1010) == nil, "expired")
            guard keys.publicKey != nil else { continue }
            let reader = try SignedTokens(method: keys.method, lifetimeSeconds: nil, publicKey: keys.publicKey, privateKey: nil)
            #expect(reader.verify(token, now: 1000)?.subject == subject)
            #expect(throws: TokenOptionError.verifyOnly) { try reader.sign(subject, now: 0) }
        }
        for (place, keys) in all.enumerated() {
            let judge = try SignedTokens(method: keys.method, lifetimeSeconds: nil, publicKey: nil, privateKey: keys.privateKey)
            for (other, token) in tokens.enumerated() { #expect((judge.verify(token, now: 1000) != nil) == (place == other)) }
        }
    }

    @Test("a token that was changed anywhere is refused")
    func mutations() throws {
        let tokens = try SignedTokens(method: "HS256", lifetimeSeconds: 10, publicKey: nil, privateKey: [1, 2, 3])
        let token = Array(try tokens.sign(AuthSubject(user: "u", revision: 1), now: 0).utf8)
        var generator = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            var mutated = token
            // The last letter holds bits that no byte takes.
            let place = Int(generator.next() % UInt64(token.count - 1))
            switch generator.next() % 3 {
            case 0: mutated[place] = UInt8(truncatingIfNeeded: generator.next() % 128)
            case 1: mutated.remove(at: place)
            default: mutated.insert(UInt8(truncatingIfNeeded: generator.next() % 128), at: place)
            }
            guard mutated != token else { continue }
            #expect(tokens.verify(String(decoding: mutated, as: UTF8.self), now: 1) == nil)
        }
    }

    /// Signed here, with claims of all kinds.
    private func token(_ claims: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#) -> String {
        func encode(_ data: some Sequence<UInt8>) -> String {
            Data(data).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
                .replacingOccurrences(of: "=", with: "")
        }
        let text = encode(header.utf8) + "." + encode(claims.utf8)
        return text + "." + encode(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: SymmetricKey(data: [1, 2, 3])))
    }

    @Test(
        "claims decide as Go's library decides",
        arguments: [
            (#"{"username":"u","revision":1}"#, true), (#"{"username":"u","revision":1.0,"exp":200}"#, true),
            (#"{"username":"u","revision":1,"exp":100}"#, false), (#"{"username":"u","revision":1,"exp":100.5}"#, true),
            (#"{"username":"u","revision":1,"exp":"200"}"#, false), (#"{"username":"u","revision":1,"exp":null}"#, false),
            (#"{"username":"u","revision":1,"exp":0}"#, true), (#"{"username":"u","revision":1,"nbf":101}"#, false),
            (#"{"username":"u","revision":1,"nbf":100}"#, true), (#"{"username":"u","revision":"1"}"#, false),
            (#"{"username":"u","revision":true}"#, false), (#"{"username":1,"revision":1}"#, false), (#"{"revision":1}"#, false),
            (#"{"username":"u"}"#, false), (#"{"username":"u","revision":-1}"#, false), (#"[]"#, false), ("", false),
        ])
    func claims(_ claims: String, _ isValid: Bool) throws {
        let tokens = try SignedTokens(method: "HS256", lifetimeSeconds: 10, publicKey: nil, privateKey: [1, 2, 3])
        #expect((tokens.verify(token(claims), now: 100) != nil) == isValid)
    }

    @Test("the header's method must be the configured one")
    func otherMethod() throws {
        let tokens = try SignedTokens(method: "HS256", lifetimeSeconds: 10, publicKey: nil, privateKey: [1, 2, 3])
        let claims = #"{"username":"u","revision":1}"#
        #expect(tokens.verify(token(claims), now: 1) != nil)
        for header in [#"{"alg":"none"}"#, #"{"alg":"HS384"}"#, "{}", ""] { #expect(tokens.verify(token(claims, header: header), now: 1) == nil) }
    }

    @Test("a certificate stands for the key in it, where a key is asked for in public")
    func certificates() throws {
        func certificate(_ key: Certificate.PrivateKey, _ algorithm: Certificate.SignatureAlgorithm) throws -> [UInt8] {
            let name = try DistinguishedName { CommonName("tokens") }
            let made = try Certificate(
                version: .v3, serialNumber: .init(), publicKey: key.publicKey, notValidBefore: Date(timeIntervalSince1970: 0),
                notValidAfter: Date(timeIntervalSince1970: 1), issuer: name, subject: name,
                signatureAlgorithm: algorithm, extensions: Certificate.Extensions(), issuerPrivateKey: key)
            return Array(try made.serializeAsPEM().pemString.utf8)
        }
        let (rsa, p256) = (try _RSA.Signing.PrivateKey(keySize: .bits2048), P256.Signing.PrivateKey())
        let subject = AuthSubject(user: "u", revision: 1)
        for (method, key, text) in [
            ("RS256", Certificate.PrivateKey(rsa), rsa.pemRepresentation), ("PS384", Certificate.PrivateKey(rsa), rsa.pemRepresentation),
            ("ES256", Certificate.PrivateKey(p256), p256.pemRepresentation),
        ] {
            let file = try certificate(key, method == "ES256" ? .ecdsaWithSHA256 : .sha256WithRSAEncryption)
            let signer = try SignedTokens(method: method, lifetimeSeconds: 10, publicKey: file, privateKey: Array(text.utf8))
            let judge = try SignedTokens(method: method, lifetimeSeconds: nil, publicKey: file, privateKey: nil)
            #expect(judge.verify(try signer.sign(subject, now: 0), now: 1)?.subject == subject)
        }
        // One of another algorithm is no key.
        #expect(throws: TokenOptionError.self) {
            try SignedTokens(method: "ES256", lifetimeSeconds: nil, publicKey: try certificate(Certificate.PrivateKey(rsa), .sha256WithRSAEncryption), privateKey: nil)
        }
    }

    @Test("options as etcd reads them")
    func options() throws {
        #expect(try TokenOptions("simple").kind == .simple)
        #expect(try TokenOptions("").kind == .none)
        let options = try TokenOptions("jwt,priv-key=k.pem,sign-method=RS256,ttl=10m,x=y")
        #expect(options.kind == .jwt)
        #expect(options.values == ["priv-key": "k.pem", "sign-method": "RS256", "ttl": "10m", "x": "y"])
        #expect(options.unknown == ["x"])
        for text in ["other", "jwt,a", "jwt,a=b=c", "jwt,a=b,a=c", "Simple"] {
            #expect(throws: TokenOptionError.invalidOptions) { try TokenOptions(text) }
        }
    }

    @Test("keys that are missing, wrong or of another pair are refused")
    func keyErrors() throws {
        func make(_ method: String, _ publicKey: [UInt8]?, _ privateKey: [UInt8]?) throws(TokenOptionError) {
            _ = try SignedTokens(method: method, lifetimeSeconds: nil, publicKey: publicKey, privateKey: privateKey)
        }
        let (first, second) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
        let (mine, other) = (Array(first.pemRepresentation.utf8), Array(second.publicKey.pemRepresentation.utf8))
        #expect(throws: TokenOptionError.invalidOptions) { try make("XS256", nil, mine) }
        #expect(throws: TokenOptionError.invalidOptions) { try make("", nil, mine) }
        #expect(throws: TokenOptionError.missingKey) { try make("ES256", nil, nil) }
        #expect(throws: TokenOptionError.missingKey) { try make("HS256", mine, nil) }
        #expect(throws: TokenOptionError.keyMismatch) { try make("ES256", other, mine) }
        for method in ["ES384", "RS256", "EdDSA"] {
            #expect(throws: TokenOptionError.self) { try make(method, nil, mine) }
        }
    }
}
