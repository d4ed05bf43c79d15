// The KV service.

import Raft
package import Base
package import EtcdWire
import MVCC
import Replica
import StateMachine
import Tracing
import Wire

extension FrontLane {
    /// A call with one request message. Streams of responses go through here, too.
    package func call(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        if metadata.token == nil || !member.isAuthEnabled { return start(rpc, request, metadata, sink) }
        whenTokenIsKnown(metadata, sink) { [self] in start(rpc, request, metadata, sink) }
    }

    private func start(_ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink) {
        do throws(EtcdError) {
            if isLearner { try checkLearnerServes(rpc, request) }
            if metadata.requiresLeader, member.raftStatus.lead == 0 { throw .noLeader }
            try dispatch(rpc, request, metadata, sink)
        } catch {
            sink.finish(error)
        }
    }

    private func dispatch(
        _ rpc: RPC, _ request: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink
    ) throws(EtcdError) {
        switch rpc {
        case .range: try range(try decode { () throws(WireError) in try RangeRequest(decoding: request) }, metadata, sink)
        case .rangeStream: try rangeStream(try decode(ofStream: true) { () throws(WireError) in try RangeRequest(decoding: request) }, metadata, sink)
        case .put:
            let put = try decode { () throws(WireError) in try PutRequest(decoding: request) }
            try RequestChecks.check(put)
            trace(sink) { $0.begin("put", put.spanAttributes) }
            if put.prevKV { return write(.put, .put(put), request, metadata, sink) }
            propose(.put, request, sink, metadata)
        case .deleteRange:
            let delete = try decode { () throws(WireError) in try DeleteRangeRequest(decoding: request) }
            try RequestChecks.check(delete)
            trace(sink) { $0.begin("delete_range", delete.spanAttributes) }
            if delete.prevKV { return write(.deleteRange, .deleteRange(delete), request, metadata, sink) }
            propose(.deleteRange, request, sink, metadata)
        case .txn: try txn(try decode { () throws(WireError) in try TxnRequest(decoding: request) }, request, metadata, sink)
        case .compact:
            try member.authorize(.administration, metadata)
            let compaction = try decode { () throws(WireError) in try CompactionRequest(decoding: request) }
            trace(sink) { $0.begin("compact", compaction.spanAttributes) }
            propose(.compaction, request, sink, metadata)
        case .alarm, .status, .defragment, .hash, .hashKV, .snapshot, .moveLeader, .downgrade:
            try maintenance(rpc, request, metadata, sink)
        case .memberList, .memberAdd, .memberRemove, .memberUpdate, .memberPromote:
            try cluster(rpc, request, metadata, sink)
        case .leaseGrant, .leaseRevoke, .leaseTimeToLive, .leaseLeases:
            try lease(rpc, request, metadata, sink)
        case .leaseKeepAlive: keepAlive(request, metadata, sink)
        case .watch: watch(request, metadata, sink)
        case .lock, .unlock: lock(rpc, request, metadata, PlainErrorSink(sink))
        case .electionCampaign, .electionProclaim, .electionLeader, .electionObserve, .electionResign:
            election(rpc, request, metadata, PlainErrorSink(sink))
        case .healthCheck, .healthWatch, .healthList:
            try health(rpc, request, sink)
        case .authEnable, .authDisable, .authStatus, .authenticate, .authUserAdd, .authUserGet, .authUserList, .authUserDelete,
            .authUserChangePassword, .authUserGrantRole, .authUserRevokeRole, .authRoleAdd, .authRoleGet, .authRoleList,
            .authRoleDelete, .authRoleGrantPermission, .authRoleRevokePermission:
            try authentication(rpc, request, metadata, sink)
        default:
            throw EtcdError(code: .unimplemented, message: "this server does not implement \(rpc.definition.method) yet")
        }
    }

    static let malformed = EtcdError(
        code: .internalError, message: "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data")
    /// The same on a stream.
    static let malformedOnStream = EtcdError(
        code: .internalError,
        message: "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data")

    /// Bytes that are no message get the answer of Go's gRPC.
    func decode<R>(ofStream: Bool = false, _ body: () throws(WireError) -> R) throws(EtcdError) -> R {
        do throws(WireError) {
            return try body()
        } catch {
            throw ofStream ? Self.malformedOnStream : Self.malformed
        }
    }

    // MARK: Range

    private func range(_ request: RangeRequest, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        try RequestChecks.check(request)
        trace(sink) { $0.begin("range", request.spanAttributes) }
        if request.serializable {
            tallyAnswer(.range, begun: now)
            answer(request, metadata, sink, ReadTimes(arrived: now))
        } else {
            afterBarrier(.range(request, metadata, sink))
        }
    }

    /// Permission is asked of the state that is read, hence behind the barrier.
    func answer(_ request: RangeRequest, _ metadata: CallMetadata, _ sink: any ReplySink, _ times: ReadTimes) {
        if sink.isBacklogFull {
            return hold(sink, requestBytes: request.key.count + request.rangeEnd.count, until: sink.whenBacklogShrinks) { [self] in
                answer(request, metadata, sink, times)
            }
        }
        var times = times
        times.begun = clock()
        let moment = member.moment
        if moment.isAuthEnabled {
            do throws(EtcdError) {
                try member.authorize(.range(KeyRange(key: request.key, end: request.rangeEnd)), metadata)
            } catch {
                return sink.finish(error)
            }
        }
        do throws(MVCCError) {
            let single = try moment.view.answerSingle(request) { revision, room in
                message(revision, term: moment.term, room: room)
            }
            if let single {
                let done = clock()
                tally.ranges.append(done.nanoseconds &- times.begun.nanoseconds)
                noteIfSlow(.range(request), times, done, .success(single), revision: nil)
                return sink.succeed(single)
            }
        } catch {
            return finish(request, .failure(error), times, sink)
        }
        let view = moment.view
        if mayBeLarge(request) {
            guard largeReads.enter() else {
                return hold(
                    sink, requestBytes: request.key.count + request.rangeEnd.count, until: { largeReads.wait($0) }
                ) { [self] in
                    answer(request, metadata, sink, times)
                }
            }
            let stale = staleness()
            return runChore(.range(view, request)) { [self, times] result in
                guard case .range(let outcome) = result else { return }
                largeReads.leave()
                if stale() { sink.finish(.authOldRevision) } else { finish(request, outcome, times, sink) }
                while let next = largeReads.next() { next() }
            }
        }
        let outcome: Result<RangeAnswer, MVCCError>
        do throws(MVCCError) { outcome = .success(try view.answer(request)) } catch { outcome = .failure(error) }
        finish(request, outcome, times, sink)
    }

    /// Tells later whether users or roles have changed since now, so that what was allowed may be so no more.
    func staleness() -> () -> Bool {
        guard member.isAuthEnabled else { return { false } }
        let revision = member.authRevision
        return { [self] in member.authRevision != revision }
    }

    private func finish(
        _ request: RangeRequest, _ outcome: Result<RangeAnswer, MVCCError>, _ times: ReadTimes, _ sink: any ReplySink
    ) {
        let done = clock()
        let took = done.nanoseconds &- times.begun.nanoseconds
        noteIfSlow(
            .range(request), times, done, outcome.map(\.body).mapError { EtcdError($0) },
            revision: (try? outcome.get())?.revision)
        switch outcome {
        case .success(let answer):
            tally.ranges.append(took)
            sink.succeed(message(answer.revision, answer.body))
        case .failure(let error):
            tally.failedRanges.append(took)
            sink.finish(EtcdError(error))
        }
    }

    /// Whether answering here could keep the loop from others.
    private func mayBeLarge(_ request: RangeRequest) -> Bool {
        if request.rangeEnd.isEmpty { return false }
        if request.countOnly && request.revision <= 0 { return false }
        if request.limit > 0 && request.limit <= Self.inlineRangeKeysMax && request.isPlain { return false }
        return member.view.liveCount(KeyRange(key: request.key, end: request.rangeEnd)) > Self.inlineRangeKeysMax
    }

    private func rangeStream(_ request: RangeRequest, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        try RequestChecks.checkStream(request)
        // Streams say nothing of `keys_only`, as etcd's.
        trace(sink) { $0.begin("range_streaming", request.spanAttributes.dropLast()) }
        if request.serializable {
            try startStream(request, metadata, sink)
        } else {
            afterBarrier(
                .task { [self] outcome in
                    do throws(EtcdError) {
                        if case .failure(let error) = outcome { throw error }
                        try startStream(request, metadata, sink)
                    } catch {
                        sink.finish(error)
                    }
                })
        }
    }

    private func startStream(_ request: RangeRequest, _ metadata: CallMetadata, _ sink: any ReplySink) throws(EtcdError) {
        try member.authorize(.range(KeyRange(key: request.key, end: request.rangeEnd)), metadata)
        do throws(MVCCError) {
            let streamer = try RangeStreamer(request, on: member.view, targetSize: settings.requestBytesMax)
            try pump(streamer, staleness(), sink)
        } catch {
            throw EtcdError(error)
        }
    }

    /// What a slow client may have unsent before its stream pauses.
    private static let streamQueueBytesMax = 1 << 20

    /// Sends pieces until the client's connection is full; goes on when it has drained.
    private func pump(_ streamer: RangeStreamer, _ stale: @escaping () -> Bool, _ sink: any ReplySink) throws(MVCCError) {
        var streamer = streamer
        while !streamer.isFinished, sink.isOpen {
            if sink.queuedBytes > Self.streamQueueBytesMax {
                let paused = streamer
                sink.whenWritable { [self] in
                    do throws(MVCCError) { try pump(paused, stale, sink) } catch { sink.finish(EtcdError(error)) }
                }
                return
            }
            let piece = try streamer.next(on: member.view)
            let response = streamer.isFinished ? message(piece.revision, piece.body) : piece.body
            var writer = WireWriter(capacity: response.count + 8)
            writer.explicit(1, response)
            sink.send(writer.bytes)
        }
        if streamer.isFinished { sink.finish(stale() ? .authOldRevision : nil) }
    }

    // MARK: Transactions

    private func txn(
        _ request: TxnRequest, _ encoded: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink
    ) throws(EtcdError) {
        try RequestChecks.check(request, operationsMax: settings.transactionOperationsMax)
        let isReadOnly = TxnReader.isReadOnly(request)
        trace(sink) { $0.begin("txn", request.spanAttributes(isReadOnly: isReadOnly)) }
        guard isReadOnly else {
            return write(.txn, .txn(request), encoded, metadata, sink)
        }
        let arrived = now
        let isSerializable = TxnReader.isSerializable(request)
        let read: (Result<Void, EtcdError>) -> Void = { [self] outcome in
            if case .failure(let error) = outcome { return sink.finish(error) }
            answer(request, encoded.count, metadata, sink, ReadTimes(arrived: arrived, agreed: isSerializable ? nil : now))
        }
        if isSerializable { read(.success(())) } else { afterBarrier(.task(read)) }
    }

    private func answer(
        _ request: TxnRequest, _ requestBytes: Int, _ metadata: CallMetadata, _ sink: any ReplySink, _ times: ReadTimes
    ) {
        if sink.isBacklogFull {
            return hold(sink, requestBytes: requestBytes, until: sink.whenBacklogShrinks) { [self] in
                var later = times
                later.begun = clock()
                answer(request, requestBytes, metadata, sink, later)
            }
        }
        do throws(EtcdError) {
            try member.authorize(.txn(request), metadata)
            let reply = try TxnReader(view: member.view).answer(request)
            let done = clock()
            noteIfSlow(.txn(request), times, done, .success(reply.body), revision: reply.revision)
            tallyAnswer(.readonlyTxn, begun: times.arrived)
            sink.succeed(message(reply.revision, reply.body))
        } catch {
            sink.finish(error)
        }
    }
}

extension RangeRequest {
    /// Read in order and without looking inside the pairs, so that its limit bounds the work.
    fileprivate var isPlain: Bool { !hasRevisionFilter && (sortOrder == .none || (sortTarget == .key && sortOrder == .ascend)) }
}
