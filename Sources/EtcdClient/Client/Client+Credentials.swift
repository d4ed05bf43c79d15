// Tokens: made from a name and a password, or handed in, sent with every call, and renewed when a member refuses one.
// Invariant: however many calls are refused at once, one exchange renews the token for all of them.

import EtcdWire
import SwiftProtobuf
import Synchronization

extension Client {
    /// The version of the API that the client speaks; members count it.
    private static let versionHeader = [("client-api-version", "3.7.1")]

    /// Exchanges the password for a token now, so that wrong credentials show at once. Does nothing without a password.
    public func authenticate() async throws(ClientError) {
        guard case .password = configuration.credentials else { return }
        let deadline = ContinuousClock.now + configuration.dialTimeout
        var failure: ClientError?
        while ContinuousClock.now < deadline {
            let channel = try nextChannel()
            do throws(ClientError) {
                forgetToken(state.withLock { $0.token })
                _ = try await token(on: channel)
                return
            } catch  where error.stage == .notSent {
                failure = error
                moveOn(from: channel)
                try? await Task.sleep(for: Self.retryPause)
            }
        }
        throw timedOut(after: failure)
    }

    /// Uses another token from the next call on.
    public func use(token: String) { state.withLock { $0.token = token } }

    /// Whether a token that was refused can be replaced.
    var canRenewToken: Bool {
        if case .password = configuration.credentials { return true }
        return configuration.tokenSource != nil
    }

    /// How often one call is repeated because users or tokens have changed while it was under way.
    static let refusalsMax = 10

    /// Whether a call that was refused may succeed with a token made anew; or with none again: who is known by a certificate is
    /// told, too, that users have changed since the call was taken.
    func isWorthAnotherToken(_ error: ClientError) -> Bool {
        if canRenewToken { return error.refusesToken }
        guard error.message.hasSuffix(ClientError.oldRevision), configuration.credentials == .none else { return false }
        return state.withLock { $0.token } == nil
    }

    /// Forgets a token that was refused, unless another call has already replaced it.
    func forgetToken(_ used: String?) {
        guard canRenewToken else { return }
        state.withLock { if $0.token == used { $0.token = nil } }
    }

    /// What every call carries, and the token in it.
    func credentials(on channel: EndpointChannel) async throws(ClientError) -> (
        metadata: [(String, String)], token: String?
    ) {
        if let forwarded = Self.forwardedMetadata { return (forwarded, nil) }
        let token = try await token(on: channel)
        guard let token, !token.isEmpty else { return (Self.versionHeader, token) }
        return (Self.versionHeader + [("token", token)], token)
    }

    private func token(on channel: EndpointChannel) async throws(ClientError) -> String? {
        let (known, exchange) = state.withLock { state -> (String?, Task<Result<String, ClientError>, Never>?) in
            if let token = state.token { return (token, nil) }
            guard canRenewToken else { return (nil, nil) }
            if let exchange = state.tokenExchange { return (nil, exchange) }
            let exchange = Task { () -> Result<String, ClientError> in
                let result: Result<String, ClientError>
                do throws(ClientError) { result = .success(try await self.newToken(on: channel)) } catch {
                    result = .failure(error)
                }
                self.state.withLock { state in
                    state.tokenExchange = nil
                    if case .success(let token) = result { state.token = token }
                }
                return result
            }
            state.tokenExchange = exchange
            return (nil, exchange)
        }
        guard let exchange else { return known }
        return try await exchange.value.get()
    }

    private func newToken(on channel: EndpointChannel) async throws(ClientError) -> String {
        guard case .password(let user, let password) = configuration.credentials else {
            guard let source = configuration.tokenSource else { return "" }
            do { return try await source() } catch {
                throw error as? ClientError ?? ClientError(code: .unauthenticated, message: String(describing: error))
            }
        }
        let request = Etcdserverpb_AuthenticateRequest.with {
            $0.name = user
            $0.password = password
        }
        let method = RPCMethod<Etcdserverpb_AuthenticateRequest, Etcdserverpb_AuthenticateResponse>.authenticate
        do {
            let answer = try await channel.unary(
                method.procedure,
                bytes: method.encoded(request),
                metadata: Self.versionHeader,
                timeout: configuration.dialTimeout
            )
            return try method.decoded(answer).token
        } catch {
            // A cluster without authentication needs no token.
            if error.message == "etcdserver: authentication is not enabled" { return "" }
            if error.stage != .notSent { report(error, attempt: 0, method: method.path, on: channel) }
            throw error
        }
    }
}

extension ClientError {
    static let oldRevision = "etcdserver: revision of auth store is old"

    /// Whether a member says that the token is no longer, or not yet, good. The texts are etcd's protocol; the reasons of
    /// cancelled watches carry a status code before them.
    var refusesToken: Bool {
        ["etcdserver: invalid auth token", Self.oldRevision, "etcdserver: user name is empty"].contains { message.hasSuffix($0) }
    }

    /// Whether a member may mean the token when it denies a watch: until 3.5.5 it gave no other reason.
    var mayRefuseToken: Bool { refusesToken || message.hasSuffix("etcdserver: permission denied") }
}
