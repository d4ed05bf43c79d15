// What is left of a disk when its power fails: the durable state, and by dice some of what was not synchronized.
//
// The dice are rolled in a fixed order (nodes by number, sectors by position), so that a seed says it all.

import Base

extension DiskState {
    /// How one file or directory fares: the extremes come up often, for they are what fixed orders of writing hide.
    private enum Fate {
        case keptWhole, lostWhole, mixed

        init(_ random: inout SeededRandom) {
            switch random.next() % 4 {
            case 0: self = .keptWhole
            case 1: self = .lostWhole
            default: self = .mixed
            }
        }
    }

    /// The state after the machine comes back. Faults planned by number are over; the kind of disk stays.
    func afterPowerFailure() -> DiskState {
        var dice = random
        var next = self
        next.rollNames(&dice)
        for number in next.files.keys.sorted() { next.files[number]?.rollSectors(&dice, tears: faults.tearsSectors) }
        next.comeBack(dice)
        return next
    }

    /// The same disk with everything on it durable and nothing open: a copy to do harm to.
    func copied() -> DiskState {
        var copy = self
        for change in copy.pendingChanges { copy.apply(change) }
        for number in copy.files.keys { copy.files[number]?.settle() }
        copy.comeBack(random)
        return copy
    }

    private mutating func comeBack(_ dice: SeededRandom) {
        random = dice
        faults = DiskFaults(capacityBytes: faults.capacityBytes, tearsSectors: faults.tearsSectors)
        powerIsOff = false
        operationCount = 0
        synchronizationCount = 0
        writeCount = 0
        trace = trace.map { _ in [] }
        pendingChanges = []
        handles = [:]
        for number in directories.keys {
            if let durable = directories[number]?.durable { directories[number]?.visible = durable }
        }
        collectGarbage()
    }

    /// Of each directory's pending changes a front part survives: a journal keeps order.
    private mutating func rollNames(_ dice: inout SeededRandom) {
        var survivors: [Int: Int] = [:]
        for directory in directories.keys.sorted() {
            let count = pendingChanges.count { $0.directory == directory }
            guard count > 0 else { continue }
            switch Fate(&dice) {
            case .keptWhole: survivors[directory] = count
            case .lostWhole: survivors[directory] = 0
            case .mixed: survivors[directory] = Int(dice.next() % UInt64(count + 1))
            }
        }
        for change in pendingChanges {
            guard let left = survivors[change.directory], left > 0 else { continue }
            survivors[change.directory] = left - 1
            apply(change)
        }
    }
}

extension FileNode {
    /// Nothing on its way to the disk any more, and nobody looking.
    fileprivate mutating func settle() {
        durable = visible
        dirtySectors = []
        abandonedSectors = []
        views = []
        lockHolder = nil
    }

    fileprivate mutating func rollSectors(_ dice: inout SeededRandom, tears: Bool) {
        let fate = dice.next() % 4
        let keptWhole = fate == 0
        let lostWhole = fate == 1
        var result = durable
        if visible.size != durable.size {
            result.resize(to: rollSize(&dice, keptWhole: keptWhole, lostWhole: lostWhole))
        }
        for sector in dirtySectors.union(abandonedSectors).sorted() {
            let start = sector * FileContents.sectorSize
            guard start < visible.size else { continue }
            let roll = dice.next()
            if lostWhole || (!keptWhole && roll % 2 == 0) { continue }
            var bytes = visible.sector(sector)
            if tears && !keptWhole && roll % 8 == 1 {
                let old = durable.sector(sector)
                let cut = Int((roll >> 8) % UInt64(FileContents.sectorSize))
                bytes =
                    (roll >> 7) % 2 == 0
                    ? Array(bytes[..<cut] + old[cut...])
                    : Array(old[..<cut] + bytes[cut...])
            }
            result.setSector(sector, bytes)
        }
        visible = result
        settle()
    }

    /// A size that was not synchronized: the old, the new, or, of a growing file, one between that a sector ends at.
    private func rollSize(_ dice: inout SeededRandom, keptWhole: Bool, lostWhole: Bool) -> Int {
        let roll = dice.next()
        if keptWhole { return visible.size }
        if lostWhole { return durable.size }
        if visible.size < durable.size { return roll % 2 == 0 ? visible.size : durable.size }
        let between = durable.size + Int(roll % UInt64(visible.size - durable.size + 1))
        let rounded = between / FileContents.sectorSize * FileContents.sectorSize
        return max(durable.size, rounded)
    }
}
