// What happens when: a heap ordered by virtual time, ties broken by dice, so that every interleaving can come up.

import Base

/// Nanoseconds since the run began.
typealias VirtualTime = UInt64

extension VirtualTime {
    static func milliseconds(_ count: UInt64) -> VirtualTime { count * 1_000_000 }
}

struct Scheduler {
    struct Item {
        var time: VirtualTime
        var tie: UInt64
        var event: Event
    }

    private var heap: [Item] = []
    private var dice: SeededRandom
    private(set) var now: VirtualTime = 0

    init(dice: SeededRandom) {
        self.dice = dice
    }

    mutating func schedule(_ event: Event, at time: VirtualTime) {
        heap.append(Item(time: Swift.max(time, now), tie: dice.next(), event: event))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.isBefore(heap[child], heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func schedule(_ event: Event, after delay: VirtualTime) {
        schedule(event, at: now + delay)
    }

    /// The next event; time moves on to it.
    mutating func next() -> Event? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            siftDown()
        }
        now = first.time
        return first.event
    }

    private mutating func siftDown() {
        let moving = heap[0]
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, Self.isBefore(heap[child + 1], heap[child]) { child += 1 }
            guard Self.isBefore(heap[child], moving) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = moving
    }

    private static func isBefore(_ left: Item, _ right: Item) -> Bool {
        left.time != right.time ? left.time < right.time : left.tie < right.tie
    }
}

/// `slot` is a member's place in the simulation, `life` counts its starts: events of earlier lives are void.
enum Event {
    case tick(slot: Int, life: Int)
    case turn(slot: Int, life: Int)
    case writeLog(slot: Int, life: Int)
    case logWritten(slot: Int, life: Int)
    case writeFile(slot: Int, life: Int)
    case fileWritten(slot: Int, life: Int)
    case seal(slot: Int, life: Int)
    case compactionSlice(slot: Int, life: Int)
    case monitor(slot: Int, life: Int)
    case deliver(LinkID, epoch: Int)
    case snapshotArrives(Int)
    case snapshotReported(slot: Int, life: Int, target: UInt64, success: Bool)
    case client(Int)
    case watch(Int, epoch: Int)
    case chore(slot: Int, life: Int, number: UInt64)
    case errandArrives(UInt64)
    case errandEnds(UInt64)
    case timeout(operation: UInt64)
    case fault
    case restart(slot: Int)
    case retire(slot: Int)
    case heal
}
