// Who asks, and whether they may: the member's state as the front lane's questions need it.

import Replica
import ServerLog
import Auth
import Base
import EtcdAPI
import EtcdWire
import FoundationEssentials
import Lease
import StateMachine

extension MemberLoop {
    var authRevision: UInt64 { replica.apply.state.auth.revision }
    var isAuthEnabled: Bool { replica.apply.state.auth.isEnabled }
    var tokenKind: TokenKind { authenticator.kind }

    func isTokenJudged(_ token: String) -> Bool { verifiedTokens.knows(token) }

    func tokenJudged(_ token: String, _ subject: AuthSubject?, expiry: Double?) {
        verifiedTokens.remember(token, subject, expiry: expiry)
    }

    func newTokenPrefix() -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        // The system's generator: nobody guesses these.
        var generator = SystemRandomNumberGenerator()
        return String(
            decoding: (0..<SimpleTokens.prefixLength).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] },
            as: UTF8.self)
    }

    func identify(_ metadata: CallMetadata) throws(EtcdError) -> AuthSubject? {
        guard isAuthEnabled else { return nil }
        if let token = metadata.token {
            guard let subject = subject(of: token) else {
                logger.writeInvalidToken(token)
                throw .invalidAuthToken
            }
            return subject
        }
        // The gateway's connection shows the server's own certificate, which is nobody's.
        guard authenticator.trustsCertificates, !metadata.isGateway, let name = metadata.certificateName else { return nil }
        return AuthSubject(user: name, revision: authRevision)
    }

    private func subject(of token: String) -> AuthSubject? {
        switch authenticator.kind {
        case .none: return nil
        case .simple:
            guard let user = replica.apply.state.tokens.user(of: token, now: Self.now()) else { return nil }
            return AuthSubject(user: user, revision: authRevision)
        case .signed:
            guard let signed = authenticator.signed else { return nil }
            return verifiedTokens.subject(of: token, signed, now: Date().timeIntervalSince1970)
        }
    }

    func isTokenKnown(_ token: String) -> Bool { replica.apply.state.tokens.isKnown(token) }

    func isRangePermitted(_ user: String, _ range: KeyRange) -> Bool { replica.apply.state.auth.isRangePermitted(user, range) }

    func userForPassword(_ name: String) throws(EtcdError) -> User {
        do throws(AuthError) {
            return try replica.apply.state.auth.userForPassword(name)
        } catch {
            logger.writeRefusedLogin(name, error)
            throw EtcdError(error)
        }
    }

    func passwordIsWrong(of user: String) {
        logger.info("invalid password", [.string("user-name", user)])
        logger.writeRefusedLogin(user, .failed)
    }

    func authorize(_ request: AuthorizationRequest, _ metadata: CallMetadata) throws(EtcdError) {
        guard isAuthEnabled else { return }
        let subject = try identify(metadata)
        do throws(AuthError) {
            switch request {
            case .range(let range): try replica.apply.state.auth.check(subject, .read, on: range)
            case .txn(let txn): try replica.apply.state.checkTransaction(txn, subject)
            case .administration: try replica.apply.state.auth.checkAdministrator(subject)
            case .anyUser: try replica.apply.state.auth.checkAnyUser(subject)
            case .leaseKeys(let id, let kind):
                try replica.apply.state.auth.checkAnyUser(subject)
                try replica.apply.state.checkLease(id, kind, subject)
            case .allLeases:
                try replica.apply.state.auth.checkAnyUser(subject)
                try replica.apply.state.checkAllLeases(subject)
            }
        } catch {
            throw EtcdError(error)
        }
    }
}
