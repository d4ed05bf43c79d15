// Watches through the proxy: many watchers of one range cost the members one watch.
//
// `WatchGroups` decides who hears from what; here are the streams of clients, the streams to members, and one lock over
// both, so that what a watcher is sent has the order in which it happened.

import Base
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf
import Synchronization

final class WatchService: Sendable {
    private let upstream: Upstream
    private let namespace: KeyNamespace
    private let state = Mutex(State())

    private struct State {
        var groups = WatchGroups()
        var streams: [Int: ClientStream] = [:]
        var nextStream = 0
        /// Where a watcher's events go.
        var places: [WatchGroups.WatcherID: (stream: Int, id: Int64)] = [:]
        var tasks: [WatchGroups.UpstreamID: UpstreamTask] = [:]
        /// Of the last answer of a member.
        var header = Etcdserverpb_ResponseHeader()
    }

    private struct ClientStream {
        let call: ProxyCall
        var watchers: [Int64: WatchGroups.WatcherID] = [:]
        var nextID: Int64 = 0
        /// Upstream watches that are to say how far they are, before the client is told.
        var awaited: Set<WatchGroups.UpstreamID> = []
        var progress: Int64?
    }

    private struct UpstreamTask {
        let task: Task<Void, Never>
        var requests: AsyncStream<Etcdserverpb_WatchRequest>.Continuation?
    }

    /// Between two streams of one upstream watch.
    private static let resumePause = Duration.milliseconds(100)

    init(_ upstream: Upstream, _ namespace: KeyNamespace) {
        self.upstream = upstream
        self.namespace = namespace
    }

    var numbers: (watchers: Int, events: UInt64) {
        state.withLock { ($0.groups.watchersCoalesced, $0.groups.eventsCoalesced) }
    }

    // MARK: Streams of clients

    func serve(_ call: ProxyCall) async throws {
        let stream = state.withLock { state in
            defer { state.nextStream += 1 }
            state.streams[state.nextStream] = ClientStream(call: call)
            return state.nextStream
        }
        defer { close(stream) }
        let asker = Asker(call)
        for await bytes in call.requests {
            let request = try Upstream.decode(Etcdserverpb_WatchRequest.self, bytes.array)
            switch request.requestUnion {
            case .createRequest(let create): try await self.create(create, on: stream, asker)
            case .cancelRequest(let cancel): self.cancel(cancel.watchID, on: stream)
            case .progressRequest: try await requestProgress(on: stream, asker)
            case nil: break
            }
        }
        // A client that has asked for all it wants goes on listening.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    private func close(_ stream: Int) {
        state.withLock { state in
            guard let gone = state.streams.removeValue(forKey: stream) else { return }
            for watcher in gone.watchers.values { Self.drop(watcher, &state) }
        }
    }

    private static func drop(_ watcher: WatchGroups.WatcherID, _ state: inout State) {
        state.places[watcher] = nil
        if let upstream = state.groups.remove(watcher) { end(upstream, &state) }
    }

    private static func end(_ upstream: WatchGroups.UpstreamID, _ state: inout State) {
        state.tasks.removeValue(forKey: upstream)?.task.cancel()
        for (number, stream) in state.streams where stream.awaited.contains(upstream) {
            // Its watchers hear from another one now, which is asked in its place.
            state.streams[number]?.awaited.remove(upstream)
            askProgress(of: number, &state)
        }
    }

    private func create(_ request: Etcdserverpb_WatchCreateRequest, on stream: Int, _ asker: Asker) async throws {
        let key = request.key.isEmpty ? Data([0]) : request.key
        let end = request.rangeEnd
        if !end.isEmpty, end != Data([0]), !key.lexicographicallyPrecedes(end) {
            return refuse(EtcdError.emptyWatcherRange.message, on: stream)
        }
        // Upstream watches are shared: whether this client may watch the range is asked beforehand, with the same
        // question that says where the present is.
        let header: Etcdserverpb_ResponseHeader
        do throws(EtcdError) {
            var probe = Etcdserverpb_RangeRequest.with {
                $0.key = key
                $0.rangeEnd = end
                $0.serializable = true
                $0.countOnly = true
                $0.limit = 1
            }
            namespace.enter(&probe)
            let answer = try await upstream.ask(.range, try Upstream.encode(probe), for: asker)
            header = try Upstream.decode(Etcdserverpb_RangeResponse.self, answer).header
        } catch {
            switch error {
            // Clients renew their token when they read the whole of it.
            case .invalidAuthToken, .authOldRevision: return refuse(error.description, on: stream)
            case let error where [.permissionDenied, .unauthenticated, .invalidArgument].contains(error.code):
                return refuse(error.message, on: stream)
            default: throw error
            }
        }
        let (from, to) = namespace.inside(key: key, end: end)
        state.withLock { state in
            guard var client = state.streams[stream] else { return }
            state.header = header
            var id = request.watchID
            if id != 0, client.watchers[id] != nil {
                return Self.refuse(EtcdError.watcherDuplicateID.message, client.call, header)
            }
            if id == 0 {
                while client.watchers[client.nextID] != nil { client.nextID += 1 }
                id = client.nextID
                client.nextID += 1
            }
            let isPresent = request.startRevision <= 0
            let joined = state.groups.add(
                .init(key: from, end: to),
                next: isPresent ? header.revision + 1 : request.startRevision,
                isPresent: isPresent,
                .init(
                    wantsPrevious: request.prevKv,
                    skipsPuts: request.filters.contains(.noput),
                    skipsDeletes: request.filters.contains(.nodelete),
                    wantsProgress: request.progressNotify
                )
            )
            client.watchers[id] = joined.watcher
            state.streams[stream] = client
            state.places[joined.watcher] = (stream, id)
            var created = Etcdserverpb_WatchResponse()
            created.header = header
            if isPresent { created.header.revision = joined.next - 1 }
            created.watchID = id
            created.created = true
            Self.send(created, client.call)
            if joined.isNew { open(joined.upstream, key: from, end: to, asker, &state) }
        }
    }

    private func refuse(_ reason: String, on stream: Int) {
        state.withLock { state in
            guard let client = state.streams[stream] else { return }
            Self.refuse(reason, client.call, state.header)
        }
    }

    private static func refuse(_ reason: String, _ call: ProxyCall, _ header: Etcdserverpb_ResponseHeader) {
        var answer = Etcdserverpb_WatchResponse()
        answer.header = header
        answer.watchID = -1
        answer.created = true
        answer.canceled = true
        answer.cancelReason = reason
        send(answer, call)
    }

    private func cancel(_ id: Int64, on stream: Int) {
        state.withLock { state in
            guard let client = state.streams[stream], let watcher = client.watchers[id] else { return }
            state.streams[stream]?.watchers[id] = nil
            Self.drop(watcher, &state)
            var answer = Etcdserverpb_WatchResponse()
            answer.header = state.header
            answer.watchID = id
            answer.canceled = true
            Self.send(answer, client.call)
        }
    }

    private static func send(_ answer: Etcdserverpb_WatchResponse, _ call: ProxyCall) {
        // Encoding fails for required fields only, which these messages have none of.
        guard let bytes = try? Upstream.encode(answer) else { return }
        call.send(Bytes(bytes))
    }

    // MARK: Progress

    private func requestProgress(on stream: Int, _ asker: Asker) async throws {
        let hasWatchers = state.withLock { state in
            guard state.streams[stream]?.watchers.isEmpty == false else { return false }
            Self.askProgress(of: stream, &state)
            return true
        }
        if hasWatchers { return }
        // Without watchers nothing can be outstanding.
        state.withLock { state in
            guard let client = state.streams[stream] else { return }
            var answer = Etcdserverpb_WatchResponse()
            answer.header = state.header
            answer.watchID = -1
            Self.send(answer, client.call)
        }
    }

    /// Asks every upstream watch that a stream hears from how far it is.
    private static func askProgress(of stream: Int, _ state: inout State) {
        guard let client = state.streams[stream] else { return }
        let behind = state.groups.upstreams(of: client.watchers.values)
        state.streams[stream]?.awaited.formUnion(behind)
        for upstream in behind { state.tasks[upstream]?.requests?.yield(.with { $0.progressRequest = .init() }) }
    }

    private static func noteProgress(_ revision: Int64, from upstream: WatchGroups.UpstreamID, _ state: inout State) {
        for (number, stream) in state.streams where stream.awaited.contains(upstream) {
            var stream = stream
            stream.awaited.remove(upstream)
            stream.progress = min(stream.progress ?? .max, revision)
            if stream.awaited.isEmpty, let progress = stream.progress {
                stream.progress = nil
                var answer = Etcdserverpb_WatchResponse()
                answer.header = state.header
                answer.header.revision = progress
                answer.watchID = -1
                send(answer, stream.call)
            }
            state.streams[number] = stream
        }
    }

    // MARK: Streams to members

    private func open(_ id: WatchGroups.UpstreamID, key: Data, end: Data, _ asker: Asker, _ state: inout State) {
        state.tasks[id] = UpstreamTask(
            task: Task { [self] in await follow(id, key: key, end: end, asker) }
        )
    }

    /// Watches until nobody hears any more; goes on where it was when a stream breaks.
    private func follow(_ id: WatchGroups.UpstreamID, key: Data, end: Data, _ asker: Asker) async {
        // Attempts in a row that brought nothing, and whether a member said why: there is no leader.
        var (failures, isLeaderless) = (0, false)
        while !Task.isCancelled {
            let (requests, continuation) = AsyncStream.makeStream(of: Etcdserverpb_WatchRequest.self)
            let next: Int64? = state.withLock { state in
                state.tasks[id]?.requests = continuation
                // What was asked of the stream that broke is asked of this one.
                if state.streams.values.contains(where: { $0.awaited.contains(id) }) {
                    continuation.yield(.with { $0.progressRequest = .init() })
                }
                return state.groups.next(of: id)
            }
            guard let next else { return }
            let hasHeard = Answer<Bool>()
            let create = Etcdserverpb_WatchRequest.with {
                $0.createRequest = .with {
                    $0.key = key
                    $0.rangeEnd = end
                    $0.startRevision = next
                    $0.progressNotify = true
                    $0.prevKv = true
                }
            }
            do {
                try await Client.$forwardedMetadata.withValue(asker.forWatching) {
                    try await upstream.client.stream(
                        .watch,
                        send: { writer in
                            try await writer.write(create)
                            for await request in requests { try await writer.write(request) }
                            while true { try await Task.sleep(for: .seconds(3600)) }
                        },
                        receive: { [self] answer in
                            hasHeard.value = true
                            take(answer, from: id)
                            if answer.canceled { throw CancellationError() }
                        }
                    )
                }
            } catch {
                let failure = error as? ClientError
                if hasHeard.value == true { (failures, isLeaderless) = (0, false) }
                failures += 1
                if failure?.message == EtcdError.noLeader.message { isLeaderless = true }
                if isLeaderless, failures >= upstream.client.endpoints.count { endThoseWhoNeedLeader(id) }
                if failure?.code != .unavailable, !Task.isCancelled { fail(id, failure?.message ?? "") }
            }
            try? await Task.sleep(for: Self.resumePause)
        }
    }

    /// None of the members has a leader: the streams of those who want to know it end.
    private func endThoseWhoNeedLeader(_ id: WatchGroups.UpstreamID) {
        let calls = state.withLock { state in
            state.streams.values.filter {
                $0.call.requiresLeader && state.groups.upstreams(of: $0.watchers.values).contains(id)
            }.map(\.call)
        }
        for call in calls { call.finish(.noLeader) }
    }

    /// No stream can be had: the watchers are told why, if there are any left.
    private func fail(_ id: WatchGroups.UpstreamID, _ reason: String) {
        var answer = Etcdserverpb_WatchResponse()
        answer.header = state.withLock { $0.header }
        answer.canceled = true
        answer.cancelReason = reason
        take(answer, from: id)
    }

    private func take(_ answer: Etcdserverpb_WatchResponse, from id: WatchGroups.UpstreamID) {
        state.withLock { state in
            if answer.hasHeader { state.header = answer.header }
            let isAsked = answer.watchID == -1 && answer.events.isEmpty && !answer.canceled
            let delivery = state.groups.take(answer, from: id)
            if isAsked {
                Self.noteProgress(answer.header.revision, from: id, &state)
            } else {
                for (watcher, message) in delivery.messages {
                    guard let (stream, watchID) = state.places[watcher], let client = state.streams[stream] else {
                        continue
                    }
                    var message = message
                    message.watchID = watchID
                    if !namespace.isEmpty { namespace.leave(&message) }
                    Self.send(message, client.call)
                }
            }
            for watcher in delivery.cancelled {
                guard let (stream, watchID) = state.places.removeValue(forKey: watcher) else { continue }
                state.streams[stream]?.watchers[watchID] = nil
            }
            for upstream in delivery.ended { Self.end(upstream, &state) }
        }
    }
}
