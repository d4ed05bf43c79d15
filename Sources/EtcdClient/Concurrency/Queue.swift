// Waiting in line by create revision: a lock and an election are the same queue of keys under one prefix, each key
// attached to its owner's session. The oldest key owns; everyone else waits for the one just before it to vanish.

package import EtcdWire
import SwiftProtobuf
import Foundation

extension Client {
    /// Stands in line under `prefix` and waits for its turn.
    /// - Returns: the key, its create revision, and the header of the last answer.
    func standInLine(
        prefix: String, session: Session, value: String, proclaims: Bool
    ) async throws(ClientError) -> (key: String, revision: Int64, header: Etcdserverpb_ResponseHeader) {
        let key = prefix + String(session.lease, radix: 16)
        let answer = try await call(
            .txn,
            .with {
                $0.compare = [.with { $0.key = Data(key.utf8); $0.target = .create; $0.result = .equal; $0.createRevision = 0 }]
                $0.success = [
                    .with { $0.requestPut = .with { $0.key = Data(key.utf8); $0.value = Data(value.utf8); $0.lease = session.lease } }
                ]
                $0.failure = [.with { $0.requestRange = .with { $0.key = Data(key.utf8) } }]
            })
        var revision = answer.header.revision
        if !answer.succeeded, let known = answer.responses.first?.responseRange.kvs.first {
            revision = known.createRevision
            if proclaims, known.value != Data(value.utf8) {
                _ = try await call(.put, .with { $0.key = Data(key.utf8); $0.value = Data(value.utf8); $0.lease = session.lease })
            }
        }
        do {
            while true {
                let before = try await call(
                    .range,
                    .with {
                        $0.key = Data(prefix.utf8)
                        $0.rangeEnd = Data(prefixEnd(Array(prefix.utf8)))
                        $0.maxCreateRevision = revision - 1
                        $0.sortTarget = .create
                        $0.sortOrder = .descend
                        $0.limit = 1
                    })
                guard let blocker = before.kvs.first else { return (key, revision, before.header) }
                try await waitForDeletion(of: blocker.key, from: before.header.revision)
            }
        } catch {
            if error.code == .cancelled { _ = try? await Task { try await self.call(.deleteRange, .with { $0.key = Data(key.utf8) }) }.value }
            throw error
        }
    }

    private func waitForDeletion(of key: Data, from revision: Int64) async throws(ClientError) {
        let gone = Answer<Bool>()
        do {
            try await watch(.with { $0.key = key; $0.startRevision = revision }) { response in
                if response.events.contains(where: { $0.type == .delete }) {
                    gone.value = true
                    throw ClientError(code: .aborted, message: "deleted")
                }
            }
        } catch {
            if gone.value == true { return }
            throw error
        }
    }
}

/// The first key after all that begin with `prefix`; a zero byte, meaning all, if there is none.
package func prefixEnd(_ prefix: [UInt8]) -> [UInt8] {
    var end = prefix
    while let last = end.last {
        if last < 0xFF {
            end[end.count - 1] = last + 1
            return end
        }
        end.removeLast()
    }
    return [0]
}

/// A lock that many processes share; fair: who came first gets it first.
public struct DistributedLock: Sendable {
    public let session: Session
    public let name: String
    /// What this holder holds, once ``lock()`` has returned.
    public struct Grip: Sendable {
        public let key: String
        /// The revision at which the holder stood in line: a fencing token.
        public let revision: Int64
        package let header: Etcdserverpb_ResponseHeader
    }

    public init(session: Session, name: String) {
        self.session = session
        self.name = name
    }

    /// Waits for the lock.
    public func lock() async throws(ClientError) -> Grip {
        let place = try await session.client.standInLine(prefix: name + "/", session: session, value: "", proclaims: false)
        return Grip(key: place.key, revision: place.revision, header: place.header)
    }

    /// Gives the lock to the next in line.
    public func unlock(_ grip: Grip) async throws(ClientError) {
        _ = try await session.client.call(.deleteRange, .with { $0.key = Data(grip.key.utf8) })
    }
}

/// One leader at a time, chosen among many.
public struct Election: Sendable {
    public let session: Session
    public let name: String

    public init(session: Session, name: String) {
        self.session = session
        self.name = name
    }

    /// Waits to become the leader, who is known by `value`.
    public func campaign(_ value: String) async throws(ClientError) -> DistributedLock.Grip {
        let place = try await session.client.standInLine(prefix: name + "/", session: session, value: value, proclaims: true)
        return DistributedLock.Grip(key: place.key, revision: place.revision, header: place.header)
    }

    /// Ends a leadership.
    public func resign(_ grip: DistributedLock.Grip) async throws(ClientError) {
        _ = try await session.client.call(.deleteRange, .with { $0.key = Data(grip.key.utf8) })
    }
}
