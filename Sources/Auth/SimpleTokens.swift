// Tokens without a signature: random letters that the log hands to every member, good until nobody has used them for a
// while. They live in memory alone: who restarts has forgotten them, and clients ask for new ones.

package import Base

package struct SimpleTokens: Sendable {
    /// Length of the random part, as etcd.
    package static let prefixLength = 16
    /// Where `--auth-token-ttl` is 0.
    package static let defaultLifetime = Duration.seconds(300)

    /// How long a token is good after its last use.
    package var lifetime: Duration
    private var tokens: [String: (user: String, expiry: Instant)] = [:]

    package init(lifetime: Duration = Self.defaultLifetime) {
        self.lifetime = lifetime > .zero ? lifetime : Self.defaultLifetime
    }

    package var count: Int { tokens.count }

    /// The whole token: its letters, and the entry that brought it, so that other members know when they must have heard
    /// of it.
    package static func token(prefix: String, index: UInt64) -> String { "\(prefix).\(index)" }

    /// The entry that brings the token; nil where the text is no token.
    package static func index(of token: String) -> UInt64? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return UInt64(parts[1])
    }

    package mutating func assign(_ token: String, to user: String, now: Instant) {
        tokens[token] = (user, now + lifetime)
    }

    /// Whose token it is; using it makes it last.
    package mutating func user(of token: String, now: Instant) -> String? {
        guard let known = tokens[token], known.expiry >= now else { return nil }
        tokens[token] = (known.user, now + lifetime)
        return known.user
    }

    package mutating func invalidate(user: String) {
        tokens = tokens.filter { $0.value.user != user }
    }

    package mutating func removeAll() {
        tokens = [:]
    }

    /// Forgets what nobody has used for long; about once a second.
    package mutating func expire(now: Instant) {
        guard tokens.contains(where: { $0.value.expiry < now }) else { return }
        tokens = tokens.filter { $0.value.expiry >= now }
    }
}
