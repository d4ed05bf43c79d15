import Auth
import Base
import Testing

@Suite("Simple tokens")
struct SimpleTokensTests {
    private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test("a token is good until nobody has used it for its lifetime")
    func lifetime() {
        var tokens = SimpleTokens(lifetime: .seconds(10))
        tokens.assign("t.1", to: "u", now: at(0))
        #expect(tokens.user(of: "t.1", now: at(9)) == "u")
        #expect(tokens.user(of: "t.1", now: at(18)) == "u")
        #expect(tokens.user(of: "t.1", now: at(29)) == nil)
        #expect(tokens.user(of: "t.3", now: at(0)) == nil)
    }

    @Test("expiring forgets only what is over; no lifetime means etcd's")
    func expiry() {
        var tokens = SimpleTokens(lifetime: .zero)
        tokens.assign("a.1", to: "u", now: at(0))
        tokens.assign("b.2", to: "v", now: at(100))
        tokens.expire(now: at(300))
        #expect(tokens.count == 2)
        tokens.expire(now: at(301))
        #expect(tokens.count == 1)
        #expect(tokens.user(of: "b.2", now: at(301)) == "v")
    }

    @Test("a user's tokens, or all, can be taken back")
    func invalidation() {
        var tokens = SimpleTokens()
        tokens.assign("a.1", to: "u", now: at(0))
        tokens.assign("b.2", to: "u", now: at(0))
        tokens.assign("c.3", to: "v", now: at(0))
        tokens.invalidate(user: "u")
        #expect(tokens.count == 1)
        #expect(tokens.user(of: "c.3", now: at(1)) == "v")
        tokens.removeAll()
        #expect(tokens.user(of: "c.3", now: at(1)) == nil)
    }

    @Test("a token that names the entry itself, as of etcd 3.5.0 to 3.5.2, is the same one")
    func otherName() {
        var tokens = SimpleTokens()
        tokens.assign("a.1", to: "u", now: at(0))
        #expect(tokens.user(of: "a.2", now: at(1)) == "u")
        #expect(tokens.isKnown("a.1") && tokens.isKnown("a.2"))
        for text in ["a.0", "a.3", "b.2", "a", "a.", ".2"] {
            #expect(!tokens.isKnown(text))
            #expect(tokens.user(of: text, now: at(1)) == nil)
        }
    }

    @Test("the entry's index is read from tokens, and from nothing else")
    func index() {
        #expect(SimpleTokens.index(of: SimpleTokens.token(prefix: "abc", index: 17)) == 17)
        for text in ["", "abc", "abc.", "a.b.1", "a.-1", "a.+1", "a.1x", "a.99999999999999999999"] { #expect(SimpleTokens.index(of: text) == nil) }
    }
}
