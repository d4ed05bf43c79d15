// Which pages are free, and which will be once nobody reads them any more.
//
// A page that transaction t frees may still be read by readers of the states before t: it stays pending until none of
// them is left. Free pages are kept as runs, so that a value of several pages finds its place.

struct Freelist {
    /// Consecutive free pages.
    struct Run: Equatable {
        var start: PageID
        var length: UInt64
    }

    /// A page freed by a transaction, with the one that had allocated it: readers older than that never saw it.
    private struct Pending {
        var page: PageID
        var allocatedBy: TransactionID
        var freedBy: TransactionID
    }

    /// Ascending, never adjacent.
    private(set) var runs: [Run] = []
    private(set) var freeCount: UInt64 = 0
    private var pending: [Pending] = []
    /// Pages handed out since the file was opened; forgotten when they are free again.
    private var allocatedBy: [PageID: TransactionID] = [:]

    var pendingCount: Int { pending.count }

    /// - Parameter free: ascending.
    init(free: [PageID] = []) {
        insert(sorted: free)
    }

    /// Free and pending pages, ascending: what a stored freelist holds.
    var allPages: [PageID] {
        var pages = pending.map(\.page)
        for run in runs { pages += run.start..<run.start + run.length }
        return pages.sorted()
    }

    /// The first of `count` consecutive free pages, or nil.
    mutating func allocate(_ count: UInt64, for transaction: TransactionID) -> PageID? {
        // From the back, where removing a run costs nothing.
        guard let place = runs.lastIndex(where: { $0.length >= count }) else { return nil }
        let start = runs[place].start
        if runs[place].length == count {
            runs.remove(at: place)
        } else {
            runs[place].start += count
            runs[place].length -= count
        }
        freeCount -= count
        noteAllocation(start, transaction)
        return start
    }

    mutating func noteAllocation(_ start: PageID, _ transaction: TransactionID) {
        allocatedBy[start] = transaction
    }

    mutating func free(_ start: PageID, pages: UInt64, by transaction: TransactionID) {
        let allocated = allocatedBy.removeValue(forKey: start) ?? 0
        for page in start..<start + pages {
            pending.append(Pending(page: page, allocatedBy: allocated, freedBy: transaction))
        }
    }

    /// Takes back what a transaction freed that is not committed. Nothing was allocated: that happens in commits alone.
    mutating func undo(_ transaction: TransactionID) {
        pending.removeAll { $0.freedBy == transaction }
    }

    /// Above this many notes of allocations, the ones that no reader can tell from "always there" are dropped.
    private static let allocationNotesMax = 4096

    /// Makes pending pages free that none of the readers can reach.
    /// - Parameter readers: the states being read, ascending.
    mutating func release(readers: [TransactionID]) {
        if allocatedBy.count > Self.allocationNotesMax {
            let oldest = readers.first ?? .max
            allocatedBy = allocatedBy.filter { $0.value > oldest }
        }
        var freed: [PageID] = []
        pending.removeAll { entry in
            // A reader of state r sees the page if it was allocated by then and not yet freed.
            let isSeen = readers.contains { $0 >= entry.allocatedBy && $0 < entry.freedBy }
            if !isSeen { freed.append(entry.page) }
            return !isSeen
        }
        if !freed.isEmpty { insert(sorted: freed.sorted()) }
    }

    private mutating func insert(sorted pages: [PageID]) {
        if pages.isEmpty { return }
        var merged: [Run] = []
        merged.reserveCapacity(runs.count + pages.count)
        func append(_ run: Run) {
            if let last = merged.last, last.start + last.length == run.start {
                merged[merged.count - 1].length += run.length
            } else {
                merged.append(run)
            }
        }
        var (run, page) = (0, 0)
        while run < runs.count || page < pages.count {
            if page >= pages.count || (run < runs.count && runs[run].start < pages[page]) {
                append(runs[run])
                run += 1
            } else {
                append(Run(start: pages[page], length: 1))
                page += 1
            }
        }
        runs = merged
        freeCount += UInt64(pages.count)
    }
}
