// All watch streams of a front lane: who hears what, and when.
//
// A watcher is either synced, and then in the table that every applied change is matched against, or behind, and then it
// waits for a walk over the past. Order holds because both sides end on the lane's own thread: a walk's events are sent
// before the watcher enters the table, and changes are matched in the order in which they were applied.
// A slow client costs its unsent bytes and no more: its watchers fall behind and are told the rest from the store.

import Auth
import Base
package import EtcdWire
package import MVCC
import Raft
import Tracing
import Wire

package final class WatchHub {
    /// Watchers that one walk over the past serves, as etcd.
    private static let walkWatchersMax = 512
    /// A past of fewer revisions is told at once, without another thread.
    package var shortPastRevisions: Int64 = 512
    /// Election timeouts without a leader after which streams that require one end, as etcd.
    private static let leaderlessTimeouts = 3

    private unowned let lane: FrontLane
    private var streams: [ObjectIdentifier: WatchStream] = [:]
    private var table = WatchTable<Watcher>()
    private var waiting: [Watcher] = []
    private var isWalking = false
    private var leaderlessSince: Instant?
    private var authRevision: UInt64 = 0
    private var streamsMade: Int64 = 0
    /// Everything through this revision was matched against the table.
    private var matchedRevision: Int64 = 0
    package private(set) var eventsSent: UInt64 = 0

    init(_ lane: FrontLane) {
        self.lane = lane
    }

    package var streamCount: Int { streams.count }
    package var watcherCount: Int { streams.values.reduce(0) { $0 + $1.watchers.count } }
    /// Watchers that are behind.
    package var slowCount: Int { watcherCount - table.count }

    /// Events for clients that have not taken all they were sent yet.
    package var pendingEvents: Int { streams.values.reduce(0) { $0 + $1.pendingEvents } }

    private var current: Int64 { lane.member.view.latestRevision }

    // MARK: Streams

    /// One message of a client on its stream.
    package func received(_ request: WatchRequest, _ metadata: CallMetadata, _ sink: any ReplySink) {
        guard let stream = stream(of: sink, metadata) else { return }
        let begun = lane.clock()
        defer { lane.tally.watchControls.append(lane.clock().nanoseconds &- begun.nanoseconds) }
        switch request {
        case .create(let create): self.create(create, on: stream)
        case .cancel(let id): cancel(id, on: stream)
        case .progress: progressRequested(stream)
        case .none: break
        }
    }

    private func stream(of sink: any ReplySink, _ metadata: CallMetadata) -> WatchStream? {
        let key = ObjectIdentifier(sink)
        if let known = streams[key] { return known }
        if lane.isStopped {
            sink.finish(.stopped)
            return nil
        }
        if metadata.requiresLeader, lane.member.raftStatus.lead == 0 {
            sink.finish(.noLeader)
            return nil
        }
        // Up to a tenth longer, differently for each stream, so that not all are due at once.
        streamsMade += 1
        let interval = lane.settings.watchProgressInterval
        let made = WatchStream(
            sink, metadata, progressInterval: interval + interval * Int(streamsMade * 37 % 100) / 1000, now: lane.now)
        streams[key] = made
        sink.whenEnded { [unowned self] in ended(key) }
        return made
    }

    private func ended(_ key: ObjectIdentifier) {
        guard let stream = streams.removeValue(forKey: key) else { return }
        for watcher in stream.watchers.values { drop(watcher) }
        stream.watchers = [:]
    }

    private func close(_ stream: WatchStream, _ error: EtcdError) {
        ended(ObjectIdentifier(stream.sink))
        stream.sink.finish(error)
    }

    /// Takes a watcher out of wherever it is.
    private func drop(_ watcher: Watcher) {
        if watcher.place == .synced { table.remove(watcher) }
        watcher.place = .gone
        lane.trace(watcher.stream.sink) { $0.endPart(watcher.id) }
    }

    // MARK: Requests

    private func create(_ request: WatchCreateRequest, on stream: WatchStream) {
        // An empty key is the smallest there is.
        let key = request.key.isEmpty ? Bytes([0]) : request.key.compacted()
        let range = KeyRange(key: key, end: request.rangeEnd.compacted())
        func refuse(_ reason: String) {
            send(WatchResponse(watchID: -1, created: true, canceled: true, cancelReason: reason), revision: current, to: stream)
        }
        if request.startRevision < 0 { return refuse(EtcdError.compacted.message) }
        let user: String?
        do throws(EtcdError) {
            try lane.member.authorize(.range(range), stream.metadata)
            user = try lane.member.identify(stream.metadata)?.user
        } catch {
            return refuse(error.goDescription)
        }
        if !range.isSingleKey, !range.isUnbounded, range.end <= range.key { return refuse(EtcdError.emptyWatcherRange.message) }
        if request.watchID != 0, stream.watchers[request.watchID] != nil { return refuse(EtcdError.watcherDuplicateID.message) }
        let id = request.watchID == 0 ? stream.newID() : request.watchID
        let newest = current
        let next = request.startRevision == 0 ? newest + 1 : request.startRevision
        let watcher = Watcher(request, id: id, range: range, stream: stream, user: user, next: next)
        stream.watchers[id] = watcher
        lane.trace(stream.sink) { $0.beginPart(id, "watch", request.spanAttributes(of: range)) }
        send(WatchResponse(watchID: id, created: true), revision: newest, to: stream)
        if next > newest { sync(watcher) } else { fallBehind(watcher) }
        walk()
    }

    private func cancel(_ id: Int64, on stream: WatchStream) {
        guard let watcher = stream.watchers.removeValue(forKey: id) else { return }
        drop(watcher)
        send(WatchResponse(watchID: id, canceled: true), revision: current, to: stream)
    }

    private func progressRequested(_ stream: WatchStream) {
        stream.owesProgress = true
        payProgress(stream)
    }

    /// The notice for the whole stream, once all its watchers are synced.
    private func payProgress(_ stream: WatchStream) {
        let revision = current
        guard stream.owesProgress, !stream.watchers.isEmpty, stream.isSynced(at: revision) else { return }
        stream.owesProgress = false
        send(WatchResponse(watchID: -1), revision: revision, to: stream)
    }

    // MARK: Changes

    /// Tells the watchers what was applied in a turn.
    package func applied(_ revisions: [StoreRevision]) {
        guard let last = revisions.last else { return }
        matchedRevision = last.main
        guard !table.isEmpty else { return }
        var batch = EventBatch(lane.member.view)
        var touched: [Watcher] = []
        for revision in revisions {
            for change in revision.changes {
                var number: Int32?
                table.forEach(watching: change.key) { watcher in
                    guard revision.main >= watcher.next,
                        !(change.isDelete ? watcher.skipsDeletes : watcher.skipsPuts)
                    else { return }
                    let event = number ?? batch.add(change)
                    number = event
                    if watcher.pending.isEmpty { touched.append(watcher) }
                    watcher.pending.append(event)
                }
            }
        }
        guard !touched.isEmpty else { return }
        let head = lane.header(last.main)
        for watcher in touched { deliver(&batch, head, to: watcher) }
        walk()
    }

    private func deliver(_ batch: inout EventBatch, _ head: Bytes, to watcher: Watcher) {
        let stream = watcher.stream
        defer { watcher.pending.removeAll(keepingCapacity: true) }
        guard watcher.place == .synced else { return }
        if stream.isBlocked || stream.sink.queuedBytes > WatchStream.queuedBytesMax {
            watcher.next = batch.revision(of: watcher.pending[0])
            table.remove(watcher)
            fallBehind(watcher)
            return block(stream)
        }
        guard let tail = batch.tail(watcher.pending, withPrevious: watcher.wantsPrevious) else {
            // What was before cannot be read: the client must not take the event for a creation.
            return close(stream, EtcdError(code: .dataLoss, message: "the previous value of a watched key cannot be read"))
        }
        eventsSent += UInt64(watcher.pending.count)
        stream.notePending(watcher.pending.count)
        watcher.isIdle = false
        send(head, tail, to: watcher)
    }

    /// One answer with events; in parts if it is large and the client can take parts.
    private func send(_ head: Bytes, _ tail: EventTail, to watcher: Watcher) {
        let sink = watcher.stream.sink
        let size = head.count + watcher.idField.count + tail.bytes.count
        let limit = lane.settings.requestBytesMax + FrontSettings.messageOverheadBytes
        guard watcher.mayFragment, size >= limit, tail.ends.count > 1 else {
            return sink.send(head, watcher.idField, tail.bytes)
        }
        var fragmentField = WireWriter()
        fragmentField.field(7, true)
        let room = limit - head.count - watcher.idField.count - fragmentField.array.count
        var (begin, index) = (0, 0)
        while index < tail.ends.count {
            var end = tail.ends[index]
            index += 1
            while index < tail.ends.count, tail.ends[index] - begin < room {
                end = tail.ends[index]
                index += 1
            }
            var middle = watcher.idField.array
            if index < tail.ends.count { middle += fragmentField.array }
            sink.send(head, Bytes(middle), tail.bytes[begin..<end])
            begin = end
        }
    }

    // MARK: Slow clients

    private func block(_ stream: WatchStream) {
        guard !stream.isBlocked else { return }
        stream.isBlocked = true
        stream.sink.whenWritable { [unowned self, weak stream] in
            guard let stream else { return }
            stream.isBlocked = false
            walk()
            lane.wake()
        }
    }

    // MARK: The past

    private func sync(_ watcher: Watcher) {
        watcher.place = .synced
        table.insert(watcher)
        if watcher.stream.owesProgress { payProgress(watcher.stream) }
    }

    private func fallBehind(_ watcher: Watcher) {
        watcher.place = .waiting
        waiting.append(watcher)
    }

    /// Starts telling those who are behind, if nobody is being told yet.
    private func walk() {
        while !isWalking, let walkers = nextWalkers() {
            let view = lane.member.view
            let wishes = walkers.map(\.wish)
            let oldest = wishes.reduce(Int64.max) { min($0, $1.from) }
            if view.latestRevision - oldest < shortPastRevisions {
                do throws(MVCCError) { walked(walkers, .success(try view.history(wishes))) } catch { walked(walkers, .failure(error)) }
                continue
            }
            isWalking = true
            lane.runChore(.history(view, wishes)) { [unowned self] result in
                guard case .history(let parts) = result else { return }
                isWalking = false
                walked(walkers, parts)
                walk()
            }
        }
    }

    private func nextWalkers() -> [Watcher]? {
        guard !waiting.isEmpty else { return nil }
        var (walkers, left): ([Watcher], [Watcher]) = ([], [])
        for watcher in waiting where watcher.place == .waiting {
            if walkers.count < Self.walkWatchersMax, !watcher.stream.isBlocked {
                watcher.place = .catchingUp
                walkers.append(watcher)
            } else {
                left.append(watcher)
            }
        }
        waiting = left
        return walkers.isEmpty ? nil : walkers
    }

    private func walked(_ walkers: [Watcher], _ outcome: Result<[HistoryPart], MVCCError>) {
        switch outcome {
        case .failure(let error):
            for watcher in walkers where watcher.place == .catchingUp { close(watcher.stream, EtcdError(error)) }
        case .success(let parts):
            // What is applied is matched in the same turn, so a watcher that knows the newest revision misses nothing.
            let newest = max(matchedRevision, current)
            for (watcher, part) in zip(walkers, parts) where watcher.place == .catchingUp { told(watcher, part, newest) }
        }
    }

    private func told(_ watcher: Watcher, _ part: HistoryPart, _ newest: Int64) {
        let stream = watcher.stream
        if part.isCompacted {
            stream.watchers[watcher.id] = nil
            drop(watcher)
            return send(
                WatchResponse(watchID: watcher.id, canceled: true, compactRevision: lane.member.view.compactRevision),
                revision: nil, to: stream)
        }
        watcher.next = part.next
        if !part.ends.isEmpty {
            eventsSent += UInt64(part.ends.count)
            stream.notePending(part.ends.count)
            watcher.isIdle = false
            send(lane.header(part.next - 1), EventTail(bytes: part.events, ends: part.ends), to: watcher)
            if stream.sink.queuedBytes > WatchStream.queuedBytesMax { block(stream) }
        }
        if part.next > newest { sync(watcher) } else { fallBehind(watcher) }
    }

    private func send(_ response: WatchResponse, revision: Int64?, to stream: WatchStream) {
        stream.sink.send(lane.message(revision, response.encoded()))
    }

    // MARK: Time

    /// A few times a second.
    func tick(_ now: Instant) {
        noteLeader(now)
        recheckPermissions()
        let revision = current
        for stream in streams.values where stream.nextProgress <= now {
            stream.nextProgress = now + stream.progressInterval
            let begun = lane.clock()
            defer { lane.tally.watchProgress.append(lane.clock().nanoseconds &- begun.nanoseconds) }
            for watcher in stream.inOrder where watcher.wantsProgress {
                if watcher.isIdle, watcher.place == .synced, watcher.startRevision <= revision {
                    send(WatchResponse(watchID: watcher.id), revision: revision, to: stream)
                }
                watcher.isIdle = true
            }
        }
    }

    /// Streams that want a leader end when there has been none for long.
    private func noteLeader(_ now: Instant) {
        guard lane.member.raftStatus.lead == 0 else {
            leaderlessSince = nil
            return
        }
        let since = leaderlessSince ?? now
        leaderlessSince = since
        guard now - since >= lane.settings.electionTimeout * Self.leaderlessTimeouts else { return }
        for stream in Array(streams.values) where stream.metadata.requiresLeader { close(stream, .noLeader) }
        lane.endStreamsForLeader()
    }

    /// Who may no longer read a range is not told of it any more. The user counts and not the token: one that was good when
    /// the watch began may have run out since, and nobody has a new one for a stream that is open.
    private func recheckPermissions() {
        let revision = lane.member.authRevision
        guard revision != authRevision else { return }
        authRevision = revision
        for stream in Array(streams.values) {
            for watcher in stream.inOrder {
                guard let user = watcher.user, !lane.member.isRangePermitted(user, watcher.range) else { continue }
                stream.watchers[watcher.id] = nil
                drop(watcher)
                send(
                    WatchResponse(watchID: watcher.id, canceled: true, cancelReason: EtcdError.permissionDenied.goDescription),
                    revision: current, to: stream)
            }
        }
    }

    /// The whole store was replaced by a leader's snapshot: everyone reads on from where they were.
    package func storeReplaced() {
        for stream in streams.values {
            for watcher in stream.inOrder where watcher.place == .synced {
                table.remove(watcher)
                watcher.next = max(watcher.next, matchedRevision + 1)
                if watcher.next > current { sync(watcher) } else { fallBehind(watcher) }
            }
        }
        matchedRevision = current
        walk()
    }

    func stop() {
        for stream in Array(streams.values) { close(stream, .stopped) }
    }
}

extension EtcdError {
    /// As a Go program prints a status: what watchers are told as a reason.
    var goDescription: String { "rpc error: code = \(code.name) desc = \(message)" }
}
