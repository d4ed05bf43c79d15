// Signed tokens: JSON Web Tokens (RFC 7519) that say who and at which auth revision. Any member with the key can judge
// them; nothing is kept.

package import Auth
import FoundationEssentials

package struct SignedTokens: Sendable {
    /// Where the options say no `ttl`.
    package static let defaultLifetimeSeconds = 300.0

    private let key: SigningKey
    private let lifetimeSeconds: Double

    /// What a valid token says.
    package struct Claims: Sendable {
        package var subject: AuthSubject
        /// Seconds since 1970; nil for never.
        package var expiry: Double?

        package init(subject: AuthSubject, expiry: Double?) {
            self.subject = subject
            self.expiry = expiry
        }
    }

    /// - Parameters:
    ///   - lifetimeSeconds: nil for the default.
    ///   - publicKey: contents of the file; nil where none is named.
    package init(method: String, lifetimeSeconds: Double?, publicKey: [UInt8]?, privateKey: [UInt8]?) throws(TokenOptionError) {
        guard let method = SigningMethod(rawValue: method) else { throw .invalidOptions }
        key = try SigningKey(method, publicKey: publicKey, privateKey: privateKey)
        self.lifetimeSeconds = lifetimeSeconds ?? Self.defaultLifetimeSeconds
    }

    // MARK: Giving

    /// - Parameter now: seconds since 1970.
    package func sign(_ subject: AuthSubject, now: Double) throws(TokenOptionError) -> String {
        let header = #"{"alg":"\#(key.method.rawValue)","typ":"JWT"}"#
        let expiry = Int64((now + lifetimeSeconds).rounded(.down))
        do {
            let name = String(decoding: try JSONEncoder().encode(subject.user), as: UTF8.self)
            let claims = #"{"exp":\#(expiry),"revision":\#(subject.revision),"username":\#(name)}"#
            let text = Self.encode(Array(header.utf8)) + "." + Self.encode(Array(claims.utf8))
            return text + "." + Self.encode(try key.sign(Array(text.utf8)))
        } catch let error as TokenOptionError {
            throw error
        } catch {
            throw .unusableKey("token cannot be signed: \(error)")
        }
    }

    // MARK: Judging

    /// Nil for a token that is malformed, badly signed, of another method or out of its time.
    package func verify(_ token: String, now: Double) -> Claims? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header: Header = Self.decode(parts[0]), header.alg == key.method.rawValue,
            let signature = Self.decodeBytes(parts[2]), key.isValid(signature, for: Array((parts[0] + "." + parts[1]).utf8)),
            let body: Body = Self.decode(parts[1]), body.revision >= 0, body.revision < 0x1p63
        else { return nil }
        if let expiry = body.expiry, now >= expiry { return nil }
        if let start = body.start, now < start { return nil }
        return Claims(subject: AuthSubject(user: body.username, revision: UInt64(body.revision)), expiry: body.expiry)
    }

    private struct Header: Decodable {
        var alg: String
    }

    private struct Body: Decodable {
        var username: String
        var revision: Double
        var expiry: Double?
        var start: Double?

        enum CodingKeys: String, CodingKey {
            case username, revision
            case expiry = "exp"
            case start = "nbf"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            username = try fields.decode(String.self, forKey: .username)
            revision = try fields.decode(Double.self, forKey: .revision)
            // Where there is a time, it must be one; 0 means none.
            func time(_ key: CodingKeys) throws -> Double? {
                guard fields.contains(key) else { return nil }
                let seconds = try fields.decode(Double.self, forKey: key)
                return seconds == 0 ? nil : seconds
            }
            expiry = try time(.expiry)
            start = try time(.start)
        }
    }

    private static func decode<Value: Decodable>(_ part: Substring) -> Value? {
        guard let bytes = decodeBytes(part) else { return nil }
        return try? JSONDecoder().decode(Value.self, from: Data(bytes))
    }

    // MARK: base64url without padding (RFC 4648, 5)

    static func encode(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func decodeBytes(_ text: Substring) -> [UInt8]? {
        guard text.utf8.allSatisfy({ $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "/") }) else { return nil }
        var standard = String(text).replacing("-", with: "+").replacing("_", with: "/")
        while standard.utf8.count % 4 != 0 { standard += "=" }
        return Data(base64Encoded: standard).map { Array($0) }
    }
}
