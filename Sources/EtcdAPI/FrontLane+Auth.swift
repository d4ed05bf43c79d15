// The auth service: users, roles and tokens. All of it goes through the log; what needs a slow hash goes over another
// thread first.

import Auth
import Base
import EtcdWire
import StateMachine
import Wire

/// What the member gives to those who log in; `--auth-token`.
package enum TokenKind: Sendable {
    /// Nothing: nobody can log in.
    case none
    /// Random letters, known to every member by way of the log.
    case simple
    /// Signed, by the member that answers.
    case signed
}

extension FrontLane {
    /// Times that a login starts anew because users or roles changed while the password was compared.
    private static let loginAttemptsMax = 32
    /// Passwords that wait to be hashed or compared: a crowd that logs in after a restart, and no more.
    private static let passwordsMax = 1024
    /// Calls that wait for their token's entry: a follower is behind by moments, or somebody makes tokens up.
    private static let parkedCallsMax = 10_000

    func authentication(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        switch rpc {
        case .authenticate:
            let login = try generated { try Etcdserverpb_AuthenticateRequest(decoding: request) }
            afterBarrier(
                .task { [self] outcome in
                    if case .failure(let error) = outcome { return sink.finish(error) }
                    logIn(login.name, login.password, metadata, sink, attemptsLeft: Self.loginAttemptsMax)
                })
        case .authUserAdd:
            try addUser(try generated { try Etcdserverpb_AuthUserAddRequest(decoding: request) }, metadata, sink)
        case .authUserChangePassword:
            try changePassword(
                try generated { try Etcdserverpb_AuthUserChangePasswordRequest(decoding: request) }, metadata, sink)
        default:
            guard let kind = Self.raftRequestKind(of: rpc) else { throw .unknownMethod }
            // Only what every member can read may enter the log.
            if !rpc.definition.accepts(request) { throw Self.malformed }
            propose(kind, request, sink, metadata)
        }
    }

    private static func raftRequestKind(of rpc: RPC) -> RaftRequestKind? {
        switch rpc {
        case .authEnable: .authEnable
        case .authDisable: .authDisable
        case .authStatus: .authStatus
        case .authUserGet: .authUserGet
        case .authUserList: .authUserList
        case .authUserDelete: .authUserDelete
        case .authUserGrantRole: .authUserGrantRole
        case .authUserRevokeRole: .authUserRevokeRole
        case .authRoleAdd: .authRoleAdd
        case .authRoleGet: .authRoleGet
        case .authRoleList: .authRoleList
        case .authRoleDelete: .authRoleDelete
        case .authRoleGrantPermission: .authRoleGrantPermission
        case .authRoleRevokePermission: .authRoleRevokePermission
        default: nil
        }
    }

    /// For the messages that have no codec of our own.
    private func generated<R>(_ body: () throws -> R) throws(EtcdError) -> R {
        do { return try body() } catch { throw Self.malformed }
    }

    // MARK: Passwords

    private func addUser(
        _ request: Etcdserverpb_AuthUserAddRequest, _ metadata: CallMetadata, _ sink: any ReplySink
    ) throws(EtcdError) {
        var request = request
        let password = request.password
        // The log never holds a password.
        request.password = ""
        let user = request
        if user.options.noPassword { return propose(.authUserAdd, try generated { try user.encodedBytes() }, sink, metadata) }
        hash(password, sink) { [self] hash throws(EtcdError) in
            var user = user
            user.hashedPassword = hash
            propose(.authUserAdd, try generated { try user.encodedBytes() }, sink, metadata)
        }
    }

    private func changePassword(
        _ request: Etcdserverpb_AuthUserChangePasswordRequest, _ metadata: CallMetadata, _ sink: any ReplySink
    ) throws(EtcdError) {
        var request = request
        let password = request.password
        request.password = ""
        // As etcd: an empty password is no hash at all, and nobody gets in with it.
        let change = request
        if password.isEmpty { return propose(.authUserChangePassword, try generated { try change.encodedBytes() }, sink, metadata) }
        hash(password, sink) { [self] hash throws(EtcdError) in
            var change = change
            change.hashedPassword = hash
            propose(.authUserChangePassword, try generated { try change.encodedBytes() }, sink, metadata)
        }
    }

    private func hash(_ password: String, _ sink: any ReplySink, _ body: @escaping (String) throws(EtcdError) -> Void) {
        if passwordsPending >= Self.passwordsMax { return sink.finish(.requestTooManyRequests) }
        passwordsPending += 1
        runChore(.hashPassword(password)) { [self] result in
            passwordsPending -= 1
            guard case .passwordHash(let outcome) = result else { return }
            do throws(EtcdError) {
                try body(Base64.encode(try outcome.get()))
            } catch {
                sink.finish(error)
            }
        }
    }

    // MARK: Logging in

    private func logIn(_ name: String, _ password: String, _ metadata: CallMetadata, _ sink: any ReplySink, attemptsLeft: Int) {
        do throws(EtcdError) {
            if attemptsLeft == 0 || !sink.isOpen { throw .timeout }
            if passwordsPending >= Self.passwordsMax { throw .requestTooManyRequests }
            let revision = member.authRevision
            let user = try member.userForPassword(name)
            passwordsPending += 1
            runChore(.checkPassword(password, hash: user.password)) { [self] result in
                passwordsPending -= 1
                guard case .passwordMatches(let matches) = result else { return }
                guard matches else {
                    member.passwordIsWrong(of: name)
                    return sink.finish(.authFailed)
                }
                giveToken(name, metadata, sink, checkedAt: revision) { [self] in
                    logIn(name, password, metadata, sink, attemptsLeft: attemptsLeft - 1)
                }
            }
        } catch {
            sink.finish(error)
        }
    }

    /// - Parameter retry: what to do where users or roles changed since the password was compared.
    private func giveToken(
        _ name: String, _ metadata: CallMetadata, _ sink: any ReplySink, checkedAt revision: UInt64, retry: @escaping () -> Void
    ) {
        if member.tokenKind == .none { return sink.finish(.authFailed) }
        var request = WireWriter()
        request.field(1, name)
        request.field(3, member.tokenKind == .simple ? member.newTokenPrefix() : "")
        propose(.authenticate, request.bytes, sink, metadata) { outcome, lane in
            switch outcome {
            case .failure(let error): sink.finish(error)
            case .success(let reply):
                if lane.member.authRevision != revision { return retry() }
                if lane.member.tokenKind == .simple { return sink.succeed(lane.message(reply)) }
                lane.runChore(.signToken(AuthSubject(user: name, revision: revision))) { result in
                    guard case .token(let outcome) = result else { return }
                    do throws(EtcdError) {
                        var writer = WireWriter()
                        writer.field(2, try outcome.get())
                        sink.succeed(lane.message(Reply(revision: 0, body: writer.bytes)))
                    } catch {
                        sink.finish(error)
                    }
                }
            }
        }
    }

    // MARK: Tokens from the future

    /// Runs `body` once this member has applied the entry that brought the call's token; at once where there is none to
    /// wait for. Another member may have given the token a moment ago.
    package func whenTokenIsKnown(_ metadata: CallMetadata, _ sink: any ReplySink, _ body: @escaping () -> Void) {
        guard let token = metadata.token, member.isAuthEnabled else { return body() }
        if member.tokenKind == .signed { return whenJudged(token, sink, body) }
        guard member.tokenKind == .simple, let index = SimpleTokens.index(of: token), index >= member.appliedIndex,
            !member.isTokenKnown(token)
        else { return body() }
        if parkedCalls.count >= Self.parkedCallsMax { return sink.finish(.requestTooManyRequests) }
        parkedCalls.append(ParkedCall(after: index, deadline: now + settings.requestTimeout, sink: sink, run: body))
    }

    /// Calls with tokens that nobody has seen wait for a thread to judge them, those with the same one together.
    private func whenJudged(_ token: String, _ sink: any ReplySink, _ body: @escaping () -> Void) {
        let isUnderWay = callsByToken[token] != nil
        if !isUnderWay, member.isTokenJudged(token) { return body() }
        if isStopped { return sink.finish(.stopped) }
        if callsAwaitingToken >= Self.parkedCallsMax { return sink.finish(.requestTooManyRequests) }
        callsAwaitingToken += 1
        callsByToken[token, default: []].append((sink, body))
        if isUnderWay { return }
        runChore(.judgeToken(token)) { [self] result in
            guard case .judgedToken(let subject, let expiry) = result else { return }
            member.tokenJudged(token, subject, expiry: expiry)
            let calls = callsByToken.removeValue(forKey: token) ?? []
            callsAwaitingToken -= calls.count
            for call in calls where call.sink.isOpen { call.run() }
            closeBurst()
        }
        wake()
    }

    /// After entries were applied, and when time has passed.
    func resumeParkedCalls() {
        guard !parkedCalls.isEmpty else { return }
        let applied = member.appliedIndex
        let calls = parkedCalls
        parkedCalls = []
        for call in calls where call.sink.isOpen {
            if call.after < applied {
                call.run()
            } else if call.deadline <= now {
                call.sink.finish(.invalidAuthToken)
            } else {
                parkedCalls.append(call)
            }
        }
    }
}

/// A call whose token is not known here yet.
struct ParkedCall {
    /// The entry before the one that brings it.
    var after: UInt64
    var deadline: Instant
    var sink: any ReplySink
    var run: () -> Void
}
