// What the member does with tokens and passwords: the kind of tokens that `--auth-token` chose, and the slow hashes.

import Auth
import Base
import Credentials
import EtcdAPI
import EtcdWire
import FileIO
import FoundationEssentials
import ServerConfiguration
import ServerLog

/// Settings alone, so that every thread may use it.
struct Authenticator: Sendable {
    let kind: TokenKind
    let signed: SignedTokens?
    let bcryptCost: UInt64
    /// Of unsigned tokens.
    let tokenLifetime: Duration
    /// Certificates name users where those without a token must show one.
    let trustsCertificates: Bool

    /// Reads the keys that the options name.
    init(_ configuration: ServerConfiguration, _ logger: ServerLogger) throws {
        let options = try TokenOptions(configuration.auth.token)
        switch options.kind {
        case .none: (kind, signed) = (.none, nil)
        case .simple:
            logger.warn("simple token is not cryptographically signed")
            (kind, signed) = (.simple, nil)
        case .jwt:
            if !options.unknown.isEmpty { logger.warn("unknown JWT options", [.strings("keys", options.unknown)]) }
            (kind, signed) = (.signed, try Self.signedTokens(options, logger))
        }
        if PasswordHash.costRange.contains(configuration.auth.bcryptCost) {
            bcryptCost = configuration.auth.bcryptCost
        } else {
            bcryptCost = PasswordHash.defaultCost
            logger.warn(
                "use default bcrypt cost instead of the invalid given cost",
                [
                    .uint("min-cost", PasswordHash.costRange.lowerBound), .uint("max-cost", PasswordHash.costRange.upperBound),
                    .uint("default-cost", PasswordHash.defaultCost), .uint("given-cost", configuration.auth.bcryptCost),
                ])
        }
        tokenLifetime = .seconds(Int64(clamping: configuration.auth.tokenTTLSeconds))
        trustsCertificates = configuration.security.client.clientCertAuth
    }

    private static func signedTokens(_ options: TokenOptions, _ logger: ServerLogger) throws -> SignedTokens {
        func file(_ option: String) throws -> [UInt8]? {
            guard let path = options.values[option], !path.isEmpty else { return nil }
            do {
                return try POSIXFileSystem().read(path)
            } catch {
                logger.error("problem loading JWT options", [.error(error)])
                throw TokenOptionError.invalidOptions
            }
        }
        var lifetime: Double?
        if let text = options.values[TokenOptions.lifetime], !text.isEmpty {
            guard let duration = try? GoDuration(parsing: text) else { throw TokenOptionError.invalidOptions }
            lifetime = Double(duration.nanoseconds) / 1e9
        }
        return try SignedTokens(
            method: options.values[TokenOptions.signMethod] ?? "", lifetimeSeconds: lifetime,
            publicKey: try file(TokenOptions.publicKey), privateKey: try file(TokenOptions.privateKey))
    }

    // MARK: On the chores thread

    func hash(_ password: String) -> Result<Bytes, EtcdError> {
        do throws(PasswordHash.Failure) {
            return .success(try PasswordHash.hash(password, cost: bcryptCost))
        } catch {
            return .failure(EtcdError(code: .unknown, message: error.description))
        }
    }

    /// With a salt of 16 bytes; nil for a password that is too long.
    func hash(_ password: String, salt: [UInt8]) -> Bytes? {
        try? PasswordHash.hash(password, cost: bcryptCost, salt: salt)
    }

    func judge(_ token: String) -> ChoreResult {
        let claims = signed?.verify(token, now: Date().timeIntervalSince1970)
        return .judgedToken(claims?.subject, expiry: claims?.expiry)
    }

    func sign(_ subject: AuthSubject) -> Result<String, EtcdError> {
        guard let signed else { return .failure(.authFailed) }
        do throws(TokenOptionError) {
            return .success(try signed.sign(subject, now: Date().timeIntervalSince1970))
        } catch {
            return .failure(EtcdError(code: .unknown, message: error.description))
        }
    }
}

/// Signed tokens that were judged already: a signature costs much more than a look-up.
struct VerifiedTokens {
    /// Beyond, all are forgotten and judged anew.
    private static let countMax = 4096

    private var claims: [String: SignedTokens.Claims] = [:]
    /// Good for nothing, for a while: one may begin to be good later.
    private var rejected: Set<String> = []

    func knows(_ token: String) -> Bool { claims[token] != nil || rejected.contains(token) }

    mutating func remember(_ token: String, _ subject: AuthSubject?, expiry: Double?) {
        guard let subject else {
            if rejected.count >= Self.countMax { rejected = [] }
            rejected.insert(token)
            return
        }
        if claims.count >= Self.countMax { claims = [:] }
        claims[token] = SignedTokens.Claims(subject: subject, expiry: expiry)
    }

    /// A few times a second.
    mutating func forgetRejected() {
        if !rejected.isEmpty { rejected = [] }
    }

    /// - Parameter now: seconds since 1970.
    mutating func subject(of token: String, _ tokens: SignedTokens, now: Double) -> AuthSubject? {
        if let known = claims[token] {
            if known.expiry.map({ now < $0 }) ?? true { return known.subject }
            claims[token] = nil
            return nil
        }
        if rejected.contains(token) { return nil }
        // Forgotten since it was judged.
        let verified = tokens.verify(token, now: now)
        remember(token, verified?.subject, expiry: verified?.expiry)
        return verified?.subject
    }
}
