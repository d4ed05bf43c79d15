// The events of one turn, each encoded once (twice where some watchers want to know what was before).

import Base
import EtcdWire
import MVCC
import Wire

/// Framed events of one answer and the positions behind each.
struct EventTail {
    var bytes: Bytes
    var ends: [Int]
}

struct EventBatch {
    private let view: StoreView
    private var changes: [StoreChange] = []
    private var plain: [Bytes?] = []
    private var withPrevious: [Bytes?] = []
    /// Most watchers of a turn hear the same.
    private var last: (numbers: [Int32], previous: Bool, tail: EventTail)?

    init(_ view: StoreView) {
        self.view = view
    }

    mutating func add(_ change: StoreChange) -> Int32 {
        changes.append(change)
        plain.append(nil)
        withPrevious.append(nil)
        return Int32(changes.count - 1)
    }

    func revision(of number: Int32) -> Int64 { changes[Int(number)].revision.main }

    /// Nil where what was before cannot be read.
    mutating func tail(_ numbers: [Int32], withPrevious: Bool) -> EventTail? {
        if let last, last.previous == withPrevious, last.numbers == numbers { return last.tail }
        var (ends, size) = ([Int](), 0)
        var events: [Bytes] = []
        for number in numbers {
            guard let event = event(Int(number), withPrevious) else { return nil }
            size += event.count
            ends.append(size)
            events.append(event)
        }
        let bytes: Bytes
        if events.count == 1 {
            bytes = events[0]
        } else {
            var writer = WireWriter(capacity: size)
            for event in events { writer.append(event) }
            bytes = writer.bytes
        }
        let tail = EventTail(bytes: bytes, ends: ends)
        last = (numbers, withPrevious, tail)
        return tail
    }

    private mutating func event(_ number: Int, _ wantsPrevious: Bool) -> Bytes? {
        if let known = wantsPrevious ? withPrevious[number] : plain[number] { return known }
        let change = changes[number]
        var previous: Bytes?
        if wantsPrevious, !change.isCreate {
            do throws(MVCCError) { previous = try view.pair(change.key, before: change.revision.main) } catch { return nil }
        }
        var writer = WireWriter(capacity: change.row.count + (previous?.count ?? 0) + 32)
        change.row.withUnsafeBytes { row in
            appendEvent(
                row: row, isDelete: change.isDelete, modRevision: change.revision.main, previous: previous, to: &writer)
        }
        if wantsPrevious { withPrevious[number] = writer.bytes } else { plain[number] = writer.bytes }
        return writer.bytes
    }
}
