// What `--auth-token` says: the kind of tokens, and for signed ones the method, keys and time.

package enum TokenOptionError: Error, Equatable, CustomStringConvertible {
    case invalidOptions
    case missingKey
    case keyMismatch
    case unusableKey(String)
    case verifyOnly

    package var description: String {
        switch self {
        case .invalidOptions: "auth: invalid auth options"
        case .missingKey: "auth: missing key data"
        case .keyMismatch: "auth: public and private keys don't match"
        case .unusableKey(let reason): "auth: \(reason)"
        case .verifyOnly: "auth: token signing attempted with verify-only key"
        }
    }
}

package struct TokenOptions: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// An empty flag: no token is ever given or accepted.
        case none
        case simple
        case jwt
    }

    package static let signMethod = "sign-method"
    package static let publicKey = "pub-key"
    package static let privateKey = "priv-key"
    package static let lifetime = "ttl"

    package var kind: Kind
    package var values: [String: String]

    package init(_ text: String) throws(TokenOptionError) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        switch parts.first ?? "" {
        case "": kind = .none
        case "simple": kind = .simple
        case "jwt": kind = .jwt
        default: throw .invalidOptions
        }
        values = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            guard pair.count == 2, values.updateValue(String(pair[1]), forKey: String(pair[0])) == nil else { throw .invalidOptions }
        }
    }

    /// Options that mean nothing, sorted: worth a warning.
    package var unknown: [String] {
        values.keys.filter { ![Self.signMethod, Self.publicKey, Self.privateKey, Self.lifetime].contains($0) }.sorted()
    }
}
