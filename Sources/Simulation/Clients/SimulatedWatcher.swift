// A client that watches, with one stream and some watchers on it: it reads from one member until that is gone, or until it
// has had enough of it, then from another, each watcher going on where it was.

import Base

final class SimulatedWatchClient {
    let number: Int
    let watchers: [SimulatedWatcher]
    /// The place of the member it reads from.
    var home: Int?
    var stream: ClientStream?
    /// Counts what it waits for: events of an earlier wait are void.
    var epoch = 0

    init(number: Int, watchers: [SimulatedWatcher]) {
        self.number = number
        self.watchers = watchers
    }
}

final class SimulatedWatcher {
    /// Among all watchers of a run.
    let number: Int
    let range: KeyRange
    let wantsPrevious: Bool
    /// It has been told everything before this revision.
    var next: Int64 = 1
    /// The member has said that the watch stands.
    var isCreated = false

    init(number: Int, range: KeyRange, wantsPrevious: Bool) {
        self.number = number
        self.range = range
        self.wantsPrevious = wantsPrevious
    }

    /// Its name on the stream; 0 would let the member choose.
    var id: Int64 { Int64(number) + 1 }
}
