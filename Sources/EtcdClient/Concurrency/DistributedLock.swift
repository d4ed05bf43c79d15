// A lock among processes.

package import EtcdWire

/// A lock that many processes share; fair: who came first gets it first. It holds as long as its session does: what must
/// not be done by two at once should also carry ``Grip/isHeld`` as a condition of its transactions.
public struct DistributedLock: Sendable {
    public let session: Session
    public let name: String

    /// What the holder of a lock, or a leader, holds.
    public struct Grip: Sendable {
        public let key: String
        /// The revision at which the holder stood in line: a fencing token.
        public let revision: Int64
        package let header: Etcdserverpb_ResponseHeader

        init(_ place: Place) {
            key = place.key
            revision = place.revision
            header = place.header
        }

        /// A transaction's condition that the lock, or the leadership, is still held.
        public var isHeld: Transaction.Condition { .createRevision(of: key, equals: revision) }

        var place: Place { Place(key: key, revision: revision, header: header) }
    }

    public init(session: Session, name: String) {
        self.session = session
        self.name = name
    }

    /// Waits for the lock. A session holds it once: asked again, it has it already.
    /// - Throws: ``ClientError``; when the task is cancelled the place in line is given up.
    public func lock() async throws(ClientError) -> Grip {
        let place = try await session.client.standInLine(
            prefix: name + "/",
            session: session,
            value: "",
            proclaims: false
        )
        guard let place else { throw ClientError(code: .aborted, message: "mutex: Locked by another session") }
        return Grip(place)
    }

    /// Takes the lock if it is free.
    /// - Returns: nil if another session has it.
    public func tryLock() async throws(ClientError) -> Grip? {
        try await session.client.standInLine(
            prefix: name + "/",
            session: session,
            value: "",
            proclaims: false,
            waits: false
        )
        .map(Grip.init)
    }

    /// Gives the lock to the next in line.
    public func unlock(_ grip: Grip) async throws(ClientError) {
        try await session.client.leaveLine(grip.place)
    }

    /// Waits for the lock, does `body`, and gives the lock back.
    public func withLock<Result>(_ body: (Grip) async throws -> Result) async throws -> Result {
        let grip = try await lock()
        do {
            let result = try await body(grip)
            try await unlock(grip)
            return result
        } catch {
            // The caller's task may be cancelled; the lock is given back all the same.
            await Task { try? await self.unlock(grip) }.value
            throw error
        }
    }
}
