// A client that watches: reads from one member until that is gone, then from another, going on where it was.

import Base
import MVCC

final class SimulatedWatcher: WatchTableMember {
    let number: Int
    let range: KeyRange
    var slot = 0
    /// The place of the member it reads from.
    var home: Int?
    /// It has been told everything before this revision.
    var next: Int64 = 1
    /// In its member's table: told what happens in the turn in which it happens.
    var isSynced = false
    /// Counts what it waits for: events of an earlier wait are void.
    var epoch = 0

    init(number: Int, range: KeyRange) {
        self.number = number
        self.range = range
    }
}
