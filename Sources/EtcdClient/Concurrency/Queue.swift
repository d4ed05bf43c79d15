// Waiting in line by create revision: a lock and an election are the same queue of keys under one prefix, each key
// attached to its owner's session. The oldest key owns; everyone else waits for the one just before it to vanish.
// Invariants: a key's place is its create revision, so that standing in line, asked twice, is standing there once; whoever
// gives up waiting takes its key away; nobody owns whose own key is gone.

import EtcdWire
import SwiftProtobuf

/// A place in a line.
struct Place: Sendable {
    let key: String
    /// The revision at which the key was made: the place itself, and a fencing token.
    let revision: Int64
    let header: Etcdserverpb_ResponseHeader
}

extension Client {
    private static let sessionExpired = ClientError(
        code: .aborted,
        message: "mutex: session is expired",
        stage: .answered
    )

    /// Stands in line under `prefix` and waits for its turn.
    /// - Parameters:
    ///   - value: the key's value.
    ///   - proclaims: whether a key that stands there already gets that value.
    ///   - waits: whether to wait; if not, and it is another's turn, the key is taken away.
    /// - Returns: the place, whose turn it is; nil if it is another's and `waits` is false.
    func standInLine(
        prefix: String,
        session: Session,
        value: String,
        proclaims: Bool,
        waits: Bool = true
    ) async throws(ClientError) -> Place? {
        let key = prefix + String(session.lease, radix: 16)
        var first = GetRequest(.prefix(prefix), limit: 1)
        first.order = .createRevision
        let transaction = Transaction().when(.missing(key))
            .then(.put(key, value, lease: session.lease), .get(first))
            .otherwise(.get(key), .get(first))
        do throws(ClientError) {
            // The key is this session's alone and is made only if it is missing.
            let answer = try await call(
                RPCMethod<Etcdserverpb_TxnRequest, Etcdserverpb_TxnResponse>.txn.asRepeatable,
                transaction.message
            )
            let result = TransactionResult(answer)
            var revision = answer.header.revision
            if !result.succeeded, let known = result.pair(at: 0) {
                revision = known.createRevision
                if proclaims, known.value != value.octets {
                    let change = Transaction().when(.createRevision(of: key, equals: revision)).then(
                        .put(key, value, lease: session.lease)
                    )
                    guard try await commit(change, isRepeatable: true).succeeded else { throw Self.sessionExpired }
                }
            }
            let owner = result.pair(at: 1)
            if owner == nil || owner?.createRevision == revision {
                return Place(key: key, revision: revision, header: answer.header)
            }
            guard waits else {
                try await leaveLine(Place(key: key, revision: revision, header: answer.header))
                return nil
            }
            try await waitForTurn(prefix: prefix, before: revision)
            let mine = try await call(.range, GetRequest(.key(key)).message)
            guard mine.kvs.first?.createRevision == revision else { throw Self.sessionExpired }
            return Place(key: key, revision: revision, header: mine.header)
        } catch {
            if error != Self.sessionExpired {
                // Also when the waiting task is cancelled: a key without a waiter would hold up all behind it.
                let cleaning = Task {
                    _ = try? await self.call(
                        .deleteRange.asRepeatable,
                        DeleteRequest(.key(key)).message,
                        timeout: .seconds(3)
                    )
                }
                await cleaning.value
            }
            throw error
        }
    }

    /// Gives the place up, if it is still there.
    func leaveLine(_ place: Place) async throws(ClientError) {
        let transaction = Transaction().when(.createRevision(of: place.key, equals: place.revision)).then(
            .delete(place.key)
        )
        _ = try await commit(transaction, isRepeatable: true)
    }

    /// Waits until no key under `prefix` is older than `revision`.
    private func waitForTurn(prefix: String, before revision: Int64) async throws(ClientError) {
        var request = GetRequest(.prefix(prefix), limit: 1)
        request.maxCreateRevision = revision - 1
        request.order = .createRevision
        request.isDescending = true
        while true {
            let before = try await get(request)
            guard let blocker = before.pairs.first else { return }
            try await waitForDeletion(of: blocker.key, from: before.header.revision + 1)
        }
    }

    /// Waits until the key is deleted at `revision` or later.
    func waitForDeletion(of key: [UInt8], from revision: Int64) async throws(ClientError) {
        try await waitForEvent(at: .key(key), from: revision, where: { $0.type == .delete })
    }

    /// Waits for an event at `revision` or later; returns early when the history is gone, since then it may have happened.
    func waitForEvent(
        at range: KeyRange,
        from revision: Int64,
        where isWanted: @escaping @Sendable (Mvccpb_Event) -> Bool
    ) async throws(ClientError) {
        let seen = ClientError(code: .aborted, message: "the event has come")
        do throws(ClientError) {
            try await watch(
                .with {
                    $0.key = .init(range.start)
                    $0.rangeEnd = .init(range.end)
                    $0.startRevision = revision
                }
            ) { answer in
                if answer.events.contains(where: isWanted) { throw seen }
            }
        } catch {
            if error == seen || error.compactRevision != nil { return }
            throw error
        }
    }
}
