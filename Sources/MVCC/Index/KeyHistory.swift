// All revisions of one key that compaction has left, flat: most keys have one, and then nothing is allocated but the key.
//
// Invariants: marks ascend strictly; a tombstone is never followed by a tombstone.

import Base

/// One change of a key.
struct RevisionMark: Sendable, Equatable {
    var main: Int64
    var sub: UInt32
    var isTombstone: Bool

    init(_ revision: Revision, isTombstone: Bool) {
        main = revision.main
        sub = UInt32(truncatingIfNeeded: revision.sub)
        self.isTombstone = isTombstone
    }

    var revision: Revision { Revision(main: main, sub: Int64(sub)) }
}

struct KeyHistory: Sendable, Equatable {
    private(set) var latest: RevisionMark
    /// Of the life that `latest` belongs to: the main revision of its first put. 0 after a tombstone.
    private(set) var createRevision: Int64
    /// Puts in that life. 0 after a tombstone.
    private(set) var version: Int64
    /// Before `latest`, ascending.
    private var older: [RevisionMark]

    /// A key put for the first time.
    init(put revision: Revision) {
        self.init(restoring: revision, createRevision: revision.main, version: 1)
    }

    /// A key as a row of the backend tells it.
    init(restoring revision: Revision, createRevision: Int64, version: Int64) {
        latest = RevisionMark(revision, isTombstone: false)
        self.createRevision = createRevision
        self.version = version
        older = []
    }

    /// A key of which only a tombstone is left.
    init(tombstone revision: Revision) {
        latest = RevisionMark(revision, isTombstone: true)
        createRevision = 0
        version = 0
        older = []
    }

    var isLive: Bool { !latest.isTombstone }

    mutating func put(_ revision: Revision) {
        createRevision = isLive ? createRevision : revision.main
        version = isLive ? version + 1 : 1
        older.append(latest)
        latest = RevisionMark(revision, isTombstone: false)
    }

    mutating func restorePut(_ revision: Revision, createRevision: Int64, version: Int64) {
        older.append(latest)
        latest = RevisionMark(revision, isTombstone: false)
        self.createRevision = createRevision
        self.version = version
    }

    mutating func delete(_ revision: Revision) {
        if latest.isTombstone { return }
        older.append(latest)
        latest = RevisionMark(revision, isTombstone: true)
        createRevision = 0
        version = 0
    }

    /// The revision to read at main revision `main`; nil where the key did not exist then.
    func revision(at main: Int64) -> Revision? {
        if latest.main <= main { return latest.isTombstone ? nil : latest.revision }
        let count = olderCount(through: main)
        guard count > 0, !older[count - 1].isTombstone else { return nil }
        return older[count - 1].revision
    }

    /// How many marks of `older` are at or below `main`.
    private func olderCount(through main: Int64) -> Int {
        var (low, high) = (0, older.count)
        while low < high {
            let middle = (low + high) >> 1
            if older[middle].main <= main { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// What is kept of the changes up to `main`: the last of them, unless it is a tombstone of an earlier revision.
    private func kept(at main: Int64) -> (mark: RevisionMark?, dropped: Int) {
        let last = latest.main <= main ? older.count : olderCount(through: main) - 1
        if last < 0 { return (nil, 0) }
        let mark = mark(last)
        return mark.isTombstone && mark.main < main ? (nil, last + 1) : (mark, last)
    }

    private func mark(_ index: Int) -> RevisionMark { index < older.count ? older[index] : latest }

    /// Whether a compaction at `main` would drop anything.
    func isAffected(byCompactionAt main: Int64) -> Bool {
        older.isEmpty ? latest.isTombstone && latest.main < main : kept(at: main).dropped > 0
    }

    /// Drops what a compaction at `main` makes unreadable, the oldest first and at most `limit` revisions; what is left
    /// then is a history, too, as nobody reads below the compacted revision.
    /// - Returns: whether something is left of the key, and whether all of its compaction is done.
    mutating func compact(
        at main: Int64, limit: Int, _ dropped: (RevisionMark) -> Void
    ) -> (isLeft: Bool, isDone: Bool) {
        let all = kept(at: main).dropped
        let count = min(all, limit)
        for index in 0..<count { dropped(mark(index)) }
        if count > older.count { return (false, true) }
        // Not `removeSubrange`, which would keep the memory of the long array.
        if count > 0 { older = Array(older[count...]) }
        return (true, count == all)
    }

    /// The revision that a compaction at `main` keeps and that HashKV counts: never a tombstone.
    func keptRevision(at main: Int64) -> Revision? {
        guard let mark = kept(at: main).mark, !mark.isTombstone else { return nil }
        return mark.revision
    }

    /// Create revision and version as of `revision`, where they are still known: in the life of `latest`.
    func details(at revision: Revision) -> (createRevision: Int64, version: Int64)? {
        if latest.revision == revision { return isLive ? (createRevision, version) : nil }
        let index = olderCount(through: revision.main) - 1
        // Every put of a life raises the version by one: as many steps back as the version allows are the same life.
        let version = version - Int64(older.count - index)
        guard isLive, index >= 0, version >= 1, older[index].revision == revision else { return nil }
        return (createRevision, version)
    }
}
