// One watch stream of a client and the watchers on it, as the hub keeps them.

import Base
import EtcdWire
import MVCC
import Wire

/// One watcher. Confined to the front lane.
final class Watcher: WatchTableMember {
    enum Place {
        /// In the table: hears of changes as they are applied.
        case synced
        /// Waits for its turn to be told of the past.
        case waiting
        /// Part of the walk that is under way.
        case catchingUp
        case gone
    }

    let id: Int64
    let range: KeyRange
    unowned let stream: WatchStream
    let startRevision: Int64
    /// On whose behalf; nil where nobody had to say.
    let user: String?
    let wantsPrevious: Bool
    let skipsPuts: Bool
    let skipsDeletes: Bool
    let mayFragment: Bool
    let wantsProgress: Bool
    /// Its field of every answer.
    let idField: Bytes
    /// It has been told of everything below.
    var next: Int64
    var place = Place.waiting
    var slot = 0
    /// Nothing was sent since the last notice of progress was due.
    var isIdle = true
    /// Changes of the current turn, by number.
    var pending: [Int32] = []

    init(_ request: WatchCreateRequest, id: Int64, range: KeyRange, stream: WatchStream, user: String?, next: Int64) {
        self.id = id
        self.range = range
        self.stream = stream
        self.user = user
        self.next = next
        startRevision = request.startRevision
        wantsPrevious = request.prevKV
        skipsPuts = request.filters.contains(.noPut)
        skipsDeletes = request.filters.contains(.noDelete)
        mayFragment = request.fragment
        wantsProgress = request.progressNotify
        var writer = WireWriter()
        writer.field(2, id)
        idField = writer.bytes
    }

    var wish: HistoryWish {
        HistoryWish(range: range, from: next, wantsPrevious: wantsPrevious, skipsPuts: skipsPuts, skipsDeletes: skipsDeletes)
    }
}

/// One stream. Confined to the front lane.
final class WatchStream {
    /// Unsent bytes at which a stream counts as slow: its watchers are told of the rest when it has drained.
    static let queuedBytesMax = 1 << 20

    let sink: any ReplySink
    let metadata: CallMetadata
    var watchers: [Int64: Watcher] = [:]
    private var nextID: Int64 = 0
    var isBlocked = false
    /// The client asked for a notice of progress that could not be given yet.
    var owesProgress = false
    var nextProgress: Instant
    let progressInterval: Duration
    /// Events sent since all that was sent had left.
    private var sentSinceDrained = 0

    init(_ sink: any ReplySink, _ metadata: CallMetadata, progressInterval: Duration, now: Instant) {
        self.sink = sink
        self.metadata = metadata
        self.progressInterval = progressInterval
        nextProgress = now + progressInterval
    }

    /// Its watchers by identifier: what the client is told follows from what happened alone.
    var inOrder: [Watcher] { watchers.sorted { $0.key < $1.key }.map(\.value) }

    /// An identifier that no watcher of the stream has.
    func newID() -> Int64 {
        while watchers[nextID] != nil { nextID += 1 }
        defer { nextID += 1 }
        return nextID
    }

    /// Before events are sent.
    func notePending(_ count: Int) {
        if sink.queuedBytes == 0 { sentSinceDrained = 0 }
        sentSinceDrained += count
    }

    var pendingEvents: Int { sink.queuedBytes == 0 ? 0 : sentSinceDrained }

    /// Whether every watcher has heard all there was up to `revision`.
    func isSynced(at revision: Int64) -> Bool {
        watchers.values.allSatisfy { $0.place == .synced && $0.startRevision <= revision }
    }
}
