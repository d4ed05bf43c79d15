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

    /// The whole token: its letters, and the entry before the one that brought it, so that other members know when they
    /// must have heard of it.
    package static func token(prefix: String, index: UInt64) -> String { "\(prefix).\(index)" }

    /// The entry before the one that brings the token; nil where the text is no token.
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
        guard let name = name(of: token), let known = tokens[name], known.expiry >= now else { return nil }
        tokens[name] = (known.user, now + lifetime)
        return known.user
    }

    /// Whether somebody has it, or had it not long ago.
    package func isKnown(_ token: String) -> Bool { name(of: token) != nil }

    /// What it is called here: members of etcd 3.5.0 to 3.5.2 name the very entry that brings it.
    private func name(of token: String) -> String? {
        if tokens[token] != nil { return token }
        guard let index = Self.index(of: token), index > 0, let dot = token.lastIndex(of: ".") else { return nil }
        let before = Self.token(prefix: String(token[..<dot]), index: index - 1)
        return tokens[before] == nil ? nil : before
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
