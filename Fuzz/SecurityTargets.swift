// What decides who somebody is: signed tokens, the options and keys for them, lists of revoked certificates.

import Auth
import Base
import Credentials
import TransportSecurity

/// A token over the input's parts, signed by a secret that the input cannot know: nothing but the one made here is valid.
func fuzzTokens(_ input: UnsafeRawBufferPointer) {
    var choices = Choices(input)
    let kind = choices.byte()
    switch kind % 3 {
    case 0:
        guard let tokens = try? SignedTokens(method: "HS256", lifetimeSeconds: 10, publicKey: nil, privateKey: [1, 2, 3]),
            let token = try? tokens.sign(.init(user: "somebody", revision: 7), now: 1000)
        else { preconditionFailure("a secret signs") }
        let changed = edited(Array(token.utf8), by: &choices)
        guard let claims = tokens.verify(String(decoding: changed, as: UTF8.self), now: 1001) else { return }
        // base64 has more than one spelling of the same bytes.
        precondition(claims.subject.user == "somebody" && claims.subject.revision == 7, "a token that nobody signed")
    case 1:
        _ = try? TokenOptions(String(decoding: choices.remaining(), as: UTF8.self))
    default:
        let methods = ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
        let method = methods[choices.number(below: methods.count)]
        let isPublic = choices.byte() & 1 == 0
        let key = choices.remaining()
        _ = try? SignedTokens(method: method, lifetimeSeconds: nil, publicKey: isPublic ? key : nil, privateKey: isPublic ? nil : key)
    }
}

func fuzzRevocationLists(_ input: UnsafeRawBufferPointer) {
    guard let serials = try? RevocationList.serials(in: Array(input)) else { return }
    precondition(serials.allSatisfy { $0.first != 0 }, "a serial number with a leading zero")
}
