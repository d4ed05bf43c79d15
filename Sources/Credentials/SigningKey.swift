// The algorithms of signed tokens (RFC 7518 and RFC 8037) over swift-crypto, one case each.

import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

enum SigningMethod: String, CaseIterable, Sendable {
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"
}

/// A key for one method, able to verify and perhaps to sign.
struct SigningKey: Sendable {
    private enum Material: Sendable {
        case secret(SymmetricKey)
        case rsa(_RSA.Signing.PublicKey, _RSA.Signing.PrivateKey?)
        case p256(P256.Signing.PublicKey, P256.Signing.PrivateKey?)
        case p384(P384.Signing.PublicKey, P384.Signing.PrivateKey?)
        case p521(P521.Signing.PublicKey, P521.Signing.PrivateKey?)
        case ed25519(Curve25519.Signing.PublicKey, Curve25519.Signing.PrivateKey?)
    }

    let method: SigningMethod
    private let material: Material

    /// - Parameters: the files' contents; nil where none is named.
    init(_ method: SigningMethod, publicKey: [UInt8]?, privateKey: [UInt8]?) throws(TokenOptionError) {
        self.method = method
        let publicKey = publicKey?.isEmpty == true ? nil : publicKey
        let privateKey = privateKey?.isEmpty == true ? nil : privateKey
        switch method {
        case .hs256, .hs384, .hs512:
            guard let privateKey else { throw .missingKey }
            material = .secret(SymmetricKey(data: privateKey))
            return
        default: break
        }
        if publicKey == nil && privateKey == nil { throw .missingKey }
        do {
            material = try Self.load(
                method,
                try publicKey.map { try Self.publicKeyText($0, method) },
                privateKey.map { String(decoding: $0, as: UTF8.self) }
            )
        } catch let error as TokenOptionError {
            throw error
        } catch {
            throw .unusableKey("key for \(method.rawValue) cannot be read: \(error)")
        }
    }

    /// A certificate stands for the key in it, as etcd takes it; not for Ed25519, where etcd takes keys alone.
    private static func publicKeyText(_ file: [UInt8], _ method: SigningMethod) throws -> String {
        let text = String(decoding: file, as: UTF8.self)
        guard method != .edDSA, text.contains("-----BEGIN CERTIFICATE-----") else { return text }
        return try Certificate(pemEncoded: text).publicKey.serializeAsPEM().pemString
    }

    private static func load(_ method: SigningMethod, _ publicPEM: String?, _ privatePEM: String?) throws -> Material {
        switch method {
        case .es256:
            let key = try privatePEM.map { try P256.Signing.PrivateKey(pemRepresentation: $0) }
            let given = try publicPEM.map { try P256.Signing.PublicKey(pemRepresentation: $0) }
            return .p256(try match(given, key?.publicKey, \.rawRepresentation), key)
        case .es384:
            let key = try privatePEM.map { try P384.Signing.PrivateKey(pemRepresentation: $0) }
            let given = try publicPEM.map { try P384.Signing.PublicKey(pemRepresentation: $0) }
            return .p384(try match(given, key?.publicKey, \.rawRepresentation), key)
        case .es512:
            let key = try privatePEM.map { try P521.Signing.PrivateKey(pemRepresentation: $0) }
            let given = try publicPEM.map { try P521.Signing.PublicKey(pemRepresentation: $0) }
            return .p521(try match(given, key?.publicKey, \.rawRepresentation), key)
        case .edDSA:
            let key = try privatePEM.map { try Curve25519.Signing.PrivateKey(rawRepresentation: EdwardsPEM.privateKey($0)) }
            let given = try publicPEM.map { try Curve25519.Signing.PublicKey(rawRepresentation: EdwardsPEM.publicKey($0)) }
            return .ed25519(try match(given, key?.publicKey, \.rawRepresentation), key)
        default:
            // Keys under 2048 bits are weak, and etcd takes them.
            let key = try privatePEM.map { try _RSA.Signing.PrivateKey(unsafePEMRepresentation: $0) }
            let given = try publicPEM.map { try _RSA.Signing.PublicKey(unsafePEMRepresentation: $0) }
            return .rsa(try match(given, key?.publicKey, \.derRepresentation), key)
        }
    }

    /// The public half, which must be the private one's where both are given.
    private static func match<Key>(_ given: Key?, _ derived: Key?, _ bytes: KeyPath<Key, Data>) throws(TokenOptionError) -> Key {
        guard let derived else {
            guard let given else { throw .missingKey }
            return given
        }
        if let given, given[keyPath: bytes] != derived[keyPath: bytes] { throw .keyMismatch }
        return derived
    }

    // MARK: Signatures

    func sign(_ text: [UInt8]) throws -> [UInt8] {
        switch material {
        case .secret(let key):
            switch method {
            case .hs384: return Array(HMAC<SHA384>.authenticationCode(for: text, using: key))
            case .hs512: return Array(HMAC<SHA512>.authenticationCode(for: text, using: key))
            default: return Array(HMAC<SHA256>.authenticationCode(for: text, using: key))
            }
        case .rsa(_, let key):
            guard let key else { throw TokenOptionError.verifyOnly }
            switch method {
            case .rs256, .ps256: return Array(try key.signature(for: SHA256.hash(data: text), padding: padding).rawRepresentation)
            case .rs384, .ps384: return Array(try key.signature(for: SHA384.hash(data: text), padding: padding).rawRepresentation)
            default: return Array(try key.signature(for: SHA512.hash(data: text), padding: padding).rawRepresentation)
            }
        case .p256(_, let key):
            guard let key else { throw TokenOptionError.verifyOnly }
            return Array(try key.signature(for: SHA256.hash(data: text)).rawRepresentation)
        case .p384(_, let key):
            guard let key else { throw TokenOptionError.verifyOnly }
            return Array(try key.signature(for: SHA384.hash(data: text)).rawRepresentation)
        case .p521(_, let key):
            guard let key else { throw TokenOptionError.verifyOnly }
            return Array(try key.signature(for: SHA512.hash(data: text)).rawRepresentation)
        case .ed25519(_, let key):
            guard let key else { throw TokenOptionError.verifyOnly }
            return Array(try key.signature(for: text))
        }
    }

    private var padding: _RSA.Signing.Padding {
        switch method {
        case .ps256, .ps384, .ps512: .PSS
        default: .insecurePKCS1v1_5
        }
    }

    func isValid(_ signature: [UInt8], for text: [UInt8]) -> Bool {
        switch material {
        case .secret(let key):
            switch method {
            case .hs384: return HMAC<SHA384>.isValidAuthenticationCode(signature, authenticating: text, using: key)
            case .hs512: return HMAC<SHA512>.isValidAuthenticationCode(signature, authenticating: text, using: key)
            default: return HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: text, using: key)
            }
        case .rsa(let key, _):
            let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
            switch method {
            case .rs256, .ps256: return key.isValidSignature(signature, for: SHA256.hash(data: text), padding: padding)
            case .rs384, .ps384: return key.isValidSignature(signature, for: SHA384.hash(data: text), padding: padding)
            default: return key.isValidSignature(signature, for: SHA512.hash(data: text), padding: padding)
            }
        case .p256(let key, _):
            guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: SHA256.hash(data: text))
        case .p384(let key, _):
            guard let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: SHA384.hash(data: text))
        case .p521(let key, _):
            guard let signature = try? P521.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: SHA512.hash(data: text))
        case .ed25519(let key, _): return key.isValidSignature(signature, for: text)
        }
    }
}

/// Ed25519 keys in PEM (RFC 8410): a fixed head, then 32 bytes.
private enum EdwardsPEM {
    private static let privateHead: [UInt8] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]
    private static let publicHead: [UInt8] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]

    static func privateKey(_ text: String) throws(TokenOptionError) -> [UInt8] { try content(text, privateHead) }
    static func publicKey(_ text: String) throws(TokenOptionError) -> [UInt8] { try content(text, publicHead) }

    private static func content(_ text: String, _ head: [UInt8]) throws(TokenOptionError) -> [UInt8] {
        func withoutBlanks(_ line: Substring) -> Substring {
            let front = line.drop(while: \.isWhitespace)
            return front.lastIndex { !$0.isWhitespace }.map { front[...$0] } ?? ""
        }
        let lines = text.split(whereSeparator: \.isNewline).map { withoutBlanks($0) }
        guard let begin = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") }),
            let end = lines[begin...].firstIndex(where: { $0.hasPrefix("-----END ") }),
            let der = Data(base64Encoded: lines[(begin + 1)..<end].joined()),
            der.count == head.count + 32, der.starts(with: head)
        else { throw .unusableKey("key is not a valid Ed25519 key") }
        return Array(der.suffix(32))
    }
}
