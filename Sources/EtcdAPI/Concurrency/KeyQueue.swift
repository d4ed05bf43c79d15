// A queue of keys under a prefix, ordered by creation: what locks and elections are made of.
//
// Whoever wants in puts a key with a lease; the oldest key owns the queue. A key's turn comes when all that are older
// are gone, be it that they were deleted or that their lease ran out.

import Base
import EtcdWire
import Lease
import MVCC
import StateMachine
import Wire

/// One caller's business with a queue. Lives as long as the callbacks that hold it.
final class KeyQueue {
    /// Seconds of the lease that a caller without one gets, as etcd's sessions.
    static let sessionTTL: Int64 = 60

    let lane: FrontLane
    let name: Bytes
    let prefix: Bytes
    let metadata: CallMetadata
    let sink: any ReplySink
    private var watch: CallbackSink?

    init(_ lane: FrontLane, name: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        self.lane = lane
        self.name = name
        self.metadata = metadata
        self.sink = sink
        prefix = Bytes(name.array + [UInt8(ascii: "/")])
    }

    var range: KeyRange { KeyRange(key: prefix, end: Self.end(ofPrefix: prefix)) }

    func key(of lease: LeaseID) -> Bytes {
        let digits = lease < 0 ? "-" + String(lease.magnitude, radix: 16) : String(lease, radix: 16)
        return Bytes(prefix.array + Array(digits.utf8))
    }

    /// The first key behind all that begin with `prefix`.
    static func end(ofPrefix prefix: Bytes) -> Bytes {
        var end = prefix.array
        while let last = end.popLast() {
            if last < 0xff { return Bytes(end + [last + 1]) }
        }
        return Bytes([0])
    }

    // MARK: Steps

    /// Gives `body` the caller's lease, or a new one.
    func withLease(_ lease: LeaseID, _ body: @escaping (LeaseID) -> Void) {
        guard lease == 0 else { return body(lease) }
        let granted = lane.newLeaseID()
        lane.propose(.leaseGrant, LeaseGrantRequest(ttl: Self.sessionTTL, id: granted).encoded(), sink, metadata) { [self] outcome, _ in
            if case .failure(let error) = outcome { sink.finish(error) } else { body(granted) }
        }
    }

    /// Runs a transaction; an error ends the call.
    func transact(_ request: TxnRequest, _ body: @escaping (TxnResponse, _ revision: Int64) -> Void) {
        lane.propose(.txn, request.encoded(), sink, metadata) { [self] outcome, _ in
            switch outcome {
            case .failure(let error): sink.finish(error)
            case .success(let reply):
                guard let response = try? TxnResponse(decoding: reply.body) else {
                    return sink.finish(EtcdError(code: .internalError, message: "malformed transaction response"))
                }
                body(response, reply.revision ?? 0)
            }
        }
    }

    /// The answer to a linearizable read; an error ends the call.
    func read(_ request: RangeRequest, _ body: @escaping ([KeyValue], _ revision: Int64) -> Void) {
        do throws(EtcdError) {
            try lane.member.authorize(.range(request.range), metadata)
        } catch {
            return sink.finish(error)
        }
        lane.afterBarrier(
            .task { [self] outcome in
                if case .failure(let error) = outcome { return sink.finish(error) }
                do throws(MVCCError) {
                    let answer = try lane.member.view.answer(request)
                    let rows = (try? RangeResponse(decoding: answer.body))?.kvs ?? []
                    body(rows.compactMap { try? KeyValue(decoding: $0) }, answer.revision)
                } catch {
                    sink.finish(EtcdError(error))
                }
            })
        lane.closeBurst()
        lane.wake()
    }

    /// The oldest key.
    var ownerRequest: RangeRequest {
        RangeRequest(key: range.key, rangeEnd: range.end, limit: 1, sortOrder: .ascend, sortTarget: .create)
    }

    /// Runs `body` once no key is left that was created at or before `revision`.
    func afterOlder(than revision: Int64, _ body: @escaping () -> Void) {
        let newest = RangeRequest(
            key: range.key, rangeEnd: range.end, limit: 1, sortOrder: .descend, sortTarget: .create, maxCreateRevision: revision)
        read(newest) { [self] pairs, revision in
            guard let pair = pairs.first else { return body() }
            listen(KeyRange(key: pair.key), from: revision) { [self] _, events in
                guard events.contains(where: { $0.type == .delete }) else { return }
                stopListening()
                afterOlder(than: newest.maxCreateRevision, body)
            }
        }
    }

    // MARK: Listening

    /// Hears of what happens to a range until `stopListening`; a watch that is ended ends the call.
    func listen(_ range: KeyRange, from revision: Int64, _ body: @escaping (WatchResponse, [Event]) -> Void) {
        stopListening()
        let callback = CallbackSink { [self] response in
            if response.canceled { return sink.finish(.lostWatcher) }
            if !response.events.isEmpty { body(response, response.events.compactMap { try? Event(decoding: $0) }) }
        } onFinish: { [self] error in
            sink.finish(error ?? .lostWatcher)
        }
        watch = callback
        let create = WatchCreateRequest(key: range.key, rangeEnd: range.end, startRevision: revision)
        lane.watches.received(.create(create), metadata, callback)
        if !sink.isOpen { stopListening() }
    }

    func stopListening() {
        watch?.end()
        watch = nil
    }

    /// Runs `body` if the caller gives up.
    func whenAbandoned(_ body: @escaping () -> Void) {
        sink.whenEnded { [self] in
            stopListening()
            body()
        }
    }

    /// Takes a key out without telling anybody.
    func abandon(_ key: Bytes) {
        lane.propose(.deleteRange, DeleteRangeRequest(key: key).encoded(), CallbackSink(), metadata)
        lane.wake()
    }
}

/// A watch of the member's own.
final class CallbackSink: ReplySink {
    private var onMessage: (WatchResponse) -> Void
    private var onFinish: (EtcdError?) -> Void
    private var endCallback: (() -> Void)?
    private(set) var isOpen = true
    let queuedBytes = 0

    init(_ onMessage: @escaping (WatchResponse) -> Void = { _ in }, onFinish: @escaping (EtcdError?) -> Void = { _ in }) {
        self.onMessage = onMessage
        self.onFinish = onFinish
    }

    func send(_ message: Bytes) {
        guard isOpen, let response = try? WatchResponse(decoding: message) else { return }
        onMessage(response)
    }

    func finish(_ error: EtcdError?) {
        guard isOpen else { return }
        let callback = onFinish
        close()
        callback(error)
    }

    func whenWritable(_ body: @escaping () -> Void) { body() }
    func whenEnded(_ body: @escaping () -> Void) { endCallback = body }

    /// The listener has heard enough.
    func end() {
        guard isOpen else { return }
        let callback = endCallback
        close()
        callback?()
    }

    /// Cuts the circles with those that listen.
    private func close() {
        isOpen = false
        endCallback = nil
        onMessage = { _ in }
        onFinish = { _ in }
    }
}
