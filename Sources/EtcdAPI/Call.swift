// A request from a client as the services see it: what was asked, by whom, and where the answer goes.
//
// The binding below (gRPC stream, JSON gateway) implements `Reply`; the services never learn which one it is.

package import Base
package import EtcdWire
package import Tracing

/// Where the answer of a call goes. Used on the front lane's event loop only.
package protocol ReplySink: AnyObject {
    /// False once the client has gone or the call was finished: what comes later is dropped.
    var isOpen: Bool { get }
    /// One response message, encoded.
    func send(_ message: Bytes)
    /// Ends the call; nil means success.
    func finish(_ error: EtcdError?)
    /// Bytes accepted by `send` that the client's connection has not taken yet.
    var queuedBytes: Int { get }
    /// One response message in three parts, of which many calls may share the first and the last.
    func send(_ first: Bytes, _ second: Bytes, _ third: Bytes)
    /// Runs `body` once when the queue has drained; never if the call ends before.
    func whenWritable(_ body: @escaping () -> Void)
    /// Whether the client has so many whole answers to take that it should get no more for now.
    var isBacklogFull: Bool { get }
    /// Runs `body` once when the client has taken enough of them; never if it goes away before.
    func whenBacklogShrinks(_ body: @escaping () -> Void)
    /// Counts an answer that is still to be made among those that the client has not taken.
    /// - Parameter bytes: how large it will be, about.
    /// - Returns: what ends that, to be called once.
    func expectAnswer(_ bytes: Int) -> () -> Void
    /// Runs `body` once if the client goes away, gives up or runs out of time before the call is finished.
    func whenEnded(_ body: @escaping () -> Void)
    /// The only request of a call with one answer, as long as somebody may want to tell of it.
    var requestMessage: Bytes? { get }
    /// The call's spans; nil where its trace is not kept.
    var trace: CallTrace? { get }
}

extension ReplySink {
    package var requestMessage: Bytes? { nil }
    package var trace: CallTrace? { nil }

    // For those whose answers go out one after the other.
    package var isBacklogFull: Bool { false }
    package func whenBacklogShrinks(_ body: @escaping () -> Void) { body() }
    package func expectAnswer(_ bytes: Int) -> () -> Void { {} }

    package func send(_ first: Bytes, _ second: Bytes, _ third: Bytes) {
        var message: [UInt8] = []
        message.reserveCapacity(first.count + second.count + third.count)
        for part in [first, second, third] { part.withUnsafeBytes { message += $0 } }
        send(Bytes(message))
    }

    package func succeed(_ message: Bytes) {
        send(message)
        finish(nil)
    }
}

/// What the client said about itself. Copied with every call: what only some clients say is behind one reference.
package struct CallMetadata: Sendable {
    private final class Identity: Sendable {
        let token: String?
        let certificateName: String?

        init(token: String?, certificateName: String?) {
            self.token = token
            self.certificateName = certificateName
        }
    }

    private var identity: Identity?
    /// `hasleader: true`: fail rather than wait where there is no leader.
    package var requiresLeader: Bool
    /// The call came through the JSON gateway.
    package var isGateway: Bool

    /// `token` or `authorization`, the latter without "Bearer ".
    package var token: String? {
        get { identity?.token }
        set { identity = Identity(token: newValue, certificateName: certificateName) }
    }

    /// The common name of the client's certificate, where it showed one that was verified.
    package var certificateName: String? { identity?.certificateName }

    package init(
        token: String? = nil, requiresLeader: Bool = false, isGateway: Bool = false, certificateName: String? = nil
    ) {
        if token != nil || certificateName != nil { identity = Identity(token: token, certificateName: certificateName) }
        self.requiresLeader = requiresLeader
        self.isGateway = isGateway
    }

    /// The token of a field: HTTP's scheme in front of it is no part of it.
    package static func token(inField field: String) -> String {
        let scheme = "Bearer "
        return field.hasPrefix(scheme) ? String(field.dropFirst(scheme.count)) : field
    }
}
