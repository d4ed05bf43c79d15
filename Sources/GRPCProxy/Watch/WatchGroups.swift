// Which watcher hears from which watch on the members: many watchers of one range share one watch.
//
// A plain value. Every watcher knows the first revision it has not heard of; so does every upstream watch. A watcher may
// hear from any upstream watch that is not past it, and skips what it has heard. Watchers of the past get a watch of
// their own; when it has come to where an older one stands, its watchers move there and it ends.

import EtcdWire
import FoundationEssentials

struct WatchGroups: Sendable {
    typealias UpstreamID = Int
    typealias WatcherID = Int

    struct Range: Hashable, Sendable {
        let key: Data
        let end: Data
    }

    /// What one watcher wants to hear.
    struct Wish: Sendable {
        var wantsPrevious = false
        var skipsPuts = false
        var skipsDeletes = false
        var wantsProgress = false
    }

    /// What follows from adding a watcher.
    struct Joined: Equatable {
        let watcher: WatcherID
        let upstream: UpstreamID
        /// The first revision that the watcher will hear of.
        let next: Int64
        /// The upstream watch is new and is to be opened from `next` on.
        let isNew: Bool
    }

    /// What follows from an answer of a member.
    struct Delivery {
        var messages: [(watcher: WatcherID, answer: Etcdserverpb_WatchResponse)] = []
        /// Upstream watches that nobody needs any more.
        var ended: [UpstreamID] = []
        /// Watchers that hear nothing more: their watch was cancelled.
        var cancelled: [WatcherID] = []
    }

    private struct Watcher {
        var upstream: UpstreamID
        var next: Int64
        let wish: Wish
    }

    private struct Upstream {
        let range: Range
        var next: Int64
        /// It is known to have heard all there was at some moment since it began.
        var isSynced: Bool
        var watchers: Set<WatcherID> = []
    }

    private var watchers: [WatcherID: Watcher] = [:]
    private var upstreams: [UpstreamID: Upstream] = [:]
    private var byRange: [Range: [UpstreamID]] = [:]
    private var nextID = 0
    /// Events that were delivered to more than the first of an upstream watch's watchers.
    private(set) var eventsCoalesced: UInt64 = 0

    var watcherCount: Int { watchers.count }
    var upstreamCount: Int { upstreams.count }
    /// Watchers that cost no watch of their own.
    var watchersCoalesced: Int { watchers.count - upstreams.count }

    /// - Parameters:
    ///   - next: the first revision of interest.
    ///   - isPresent: the watcher asked for what comes: if an upstream watch is further already, so is the watcher.
    mutating func add(_ range: Range, next: Int64, isPresent: Bool, _ wish: Wish) -> Joined {
        defer { nextID += 1 }
        var next = next
        for id in byRange[range] ?? [] {
            guard var upstream = upstreams[id] else { continue }
            if isPresent, upstream.isSynced { next = max(next, upstream.next) }
            guard upstream.next == next || (upstream.isSynced && upstream.next < next) else { continue }
            upstream.watchers.insert(nextID)
            upstreams[id] = upstream
            watchers[nextID] = Watcher(upstream: id, next: next, wish: wish)
            return Joined(watcher: nextID, upstream: id, next: next, isNew: false)
        }
        upstreams[nextID] = Upstream(range: range, next: next, isSynced: isPresent, watchers: [nextID])
        byRange[range, default: []].append(nextID)
        watchers[nextID] = Watcher(upstream: nextID, next: next, wish: wish)
        return Joined(watcher: nextID, upstream: nextID, next: next, isNew: true)
    }

    /// - Returns: the upstream watch that nobody needs any more.
    mutating func remove(_ watcher: WatcherID) -> UpstreamID? {
        guard let known = watchers.removeValue(forKey: watcher) else { return nil }
        upstreams[known.upstream]?.watchers.remove(watcher)
        guard upstreams[known.upstream]?.watchers.isEmpty == true else { return nil }
        drop(known.upstream)
        return known.upstream
    }

    /// The upstream watches behind some watchers.
    func upstreams(of watchers: some Sequence<WatcherID>) -> Set<UpstreamID> {
        Set(watchers.compactMap { self.watchers[$0]?.upstream })
    }

    /// Where an upstream watch begins when its stream is opened anew; nil if nobody needs it any more.
    func next(of id: UpstreamID) -> Int64? { upstreams[id]?.next }

    private mutating func drop(_ id: UpstreamID) {
        guard let upstream = upstreams.removeValue(forKey: id) else { return }
        byRange[upstream.range]?.removeAll { $0 == id }
        if byRange[upstream.range]?.isEmpty == true { byRange[upstream.range] = nil }
    }

    /// Hands an answer of an upstream watch on to its watchers.
    mutating func take(_ answer: Etcdserverpb_WatchResponse, from id: UpstreamID) -> Delivery {
        var delivery = Delivery()
        guard var upstream = upstreams[id] else { return delivery }
        if answer.canceled {
            for watcher in upstream.watchers.sorted() {
                var copy = answer
                copy.created = false
                delivery.messages.append((watcher, copy))
                delivery.cancelled.append(watcher)
                watchers[watcher] = nil
            }
            drop(id)
            delivery.ended.append(id)
            return delivery
        }
        if let last = answer.events.last {
            upstream.next = max(upstream.next, last.kv.modRevision + 1)
            if last.kv.modRevision >= answer.header.revision { upstream.isSynced = true }
        } else if !answer.created {
            upstream.next = max(upstream.next, answer.header.revision + 1)
            upstream.isSynced = true
        }
        upstreams[id] = upstream
        for (place, watcher) in upstream.watchers.sorted().enumerated() {
            guard let message = hand(answer, to: watcher) else { continue }
            if place > 0 { eventsCoalesced &+= UInt64(message.events.count) }
            delivery.messages.append((watcher, message))
        }
        merge(id, &delivery)
        return delivery
    }

    /// Nil if there is nothing in it for the watcher.
    private mutating func hand(_ answer: Etcdserverpb_WatchResponse, to id: WatcherID) -> Etcdserverpb_WatchResponse? {
        guard var watcher = watchers[id] else { return nil }
        let (wish, next) = (watcher.wish, watcher.next)
        var message = answer
        message.created = false
        message.fragment = false
        if answer.events.isEmpty { return !answer.created && wish.wantsProgress ? message : nil }
        message.events.removeAll { event in
            event.kv.modRevision < next || (event.type == .put ? wish.skipsPuts : wish.skipsDeletes)
        }
        if !wish.wantsPrevious {
            for index in message.events.indices { message.events[index].clearPrevKv() }
        }
        if let last = answer.events.last { watcher.next = max(next, last.kv.modRevision + 1) }
        watchers[id] = watcher
        return message.events.isEmpty ? nil : message
    }

    /// Lets the newer of two upstream watches end where it is no longer behind the older one.
    private mutating func merge(_ id: UpstreamID, _ delivery: inout Delivery) {
        guard let range = upstreams[id]?.range, let all = byRange[range], all.count > 1 else { return }
        for other in all where other != id {
            let (older, newer) = (min(id, other), max(id, other))
            guard let old = upstreams[older], let new = upstreams[newer] else { continue }
            guard new.next == old.next || (old.isSynced && new.next > old.next) else { continue }
            for watcher in new.watchers { watchers[watcher]?.upstream = older }
            upstreams[older]?.watchers.formUnion(new.watchers)
            drop(newer)
            delivery.ended.append(newer)
        }
    }
}
