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
        var (low, high) = (0, older.count)
        while low < high {
            let middle = (low + high) >> 1
            if older[middle].main <= main { low = middle + 1 } else { high = middle }
        }
        guard low > 0, !older[low - 1].isTombstone else { return nil }
        return older[low - 1].revision
    }

    /// What is kept of the changes up to `main`: the last of them, unless it is a tombstone of an earlier revision.
    private func kept(at main: Int64) -> (mark: RevisionMark?, dropped: Int) {
        let count = older.count + 1
        var last = -1
        for index in 0..<count where mark(index).main <= main { last = index }
        if last < 0 { return (nil, 0) }
        let mark = mark(last)
        return mark.isTombstone && mark.main < main ? (nil, last + 1) : (mark, last)
    }

    private func mark(_ index: Int) -> RevisionMark { index < older.count ? older[index] : latest }

    /// Whether a compaction at `main` would drop anything.
    func isAffected(byCompactionAt main: Int64) -> Bool {
        kept(at: main).dropped > 0
    }

    /// Drops what a compaction at `main` makes unreadable.
    /// - Returns: false if nothing is left of the key.
    mutating func compact(at main: Int64, _ dropped: (RevisionMark) -> Void) -> Bool {
        let count = kept(at: main).dropped
        for index in 0..<count { dropped(mark(index)) }
        if count > older.count { return false }
        older.removeSubrange(0..<count)
        return true
    }

    /// The revision that a compaction at `main` keeps and that HashKV counts: never a tombstone.
    func keptRevision(at main: Int64) -> Revision? {
        guard let mark = kept(at: main).mark, !mark.isTombstone else { return nil }
        return mark.revision
    }
}
