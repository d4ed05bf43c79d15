// A binary heap of deadlines, soonest first.

import Base

struct DeadlineQueue: Sendable {
    struct Entry: Sendable {
        var time: Instant
        var id: LeaseID
    }

    private var heap: [Entry] = []

    var first: Entry? { heap.first }

    mutating func insert(_ time: Instant, _ id: LeaseID) {
        heap.append(Entry(time: time, id: id))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !precedes(child, parent) { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            let (left, right) = (2 * parent + 1, 2 * parent + 2)
            var least = parent
            if left < heap.count, precedes(left, least) { least = left }
            if right < heap.count, precedes(right, least) { least = right }
            if least == parent { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }

    /// Equal times in order of identifier, so that a replay sees the same order.
    private func precedes(_ left: Int, _ right: Int) -> Bool {
        let (l, r) = (heap[left], heap[right])
        return l.time != r.time ? l.time < r.time : l.id < r.id
    }
}
