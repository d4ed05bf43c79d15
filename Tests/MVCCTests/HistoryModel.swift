// A multi-version store of the simplest kind: all changes in a list, every question answered by walking it.

import Base
import EtcdWire

@testable import MVCC

struct HistoryModel {
    struct Row {
        var revision: Revision
        var key: Bytes
        /// Nil: a delete.
        var pair: KeyValue?

        var keyBytes: Bytes {
            var bytes: [UInt8] = []
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: revision.main >> shift)) }
            bytes.append(0x5f)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: revision.sub >> shift)) }
            if pair == nil { bytes.append(0x74) }
            return Bytes(bytes)
        }

        var value: Bytes { (pair ?? KeyValue(key: key)).encoded() }
    }

    var rows: [Row] = []
    var current: Int64 = 1
    var compacted: Int64 = -1

    // MARK: Changes

    enum Change {
        case put(Bytes, Bytes, LeaseID)
        case delete(KeyRange)
    }

    /// - Returns: what each delete took, in order of the changes.
    mutating func apply(_ changes: [Change]) -> [[Bytes]] {
        var sub: Int64 = 0
        let main = current + 1
        var deleted: [[Bytes]] = []
        for change in changes {
            switch change {
            case .put(let key, let value, let lease):
                let previous = pair(key, at: main)
                rows.append(
                    Row(
                        revision: Revision(main: main, sub: sub), key: key,
                        pair: KeyValue(
                            key: key, createRevision: previous?.createRevision ?? main, modRevision: main,
                            version: (previous?.version ?? 0) + 1, value: value, lease: lease)))
                sub += 1
            case .delete(let range):
                let keys = pairs(range, at: main).map(\.key)
                for key in keys {
                    rows.append(Row(revision: Revision(main: main, sub: sub), key: key, pair: nil))
                    sub += 1
                }
                deleted.append(keys)
            }
        }
        if sub > 0 { current = main }
        return deleted
    }

    /// Drops the rows nobody can read any more.
    mutating func compact(_ revision: Int64) {
        compacted = revision
        let kept = lastRows(through: revision)
        rows.removeAll { row in
            guard row.revision.main <= revision, let last = kept[row.key] else { return false }
            return last.revision != row.revision || (last.pair == nil && last.revision.main < revision)
        }
    }

    // MARK: Questions

    private func lastRows(through main: Int64) -> [Bytes: Row] {
        var last: [Bytes: Row] = [:]
        for row in rows where row.revision.main <= main { last[row.key] = row }
        return last
    }

    func pair(_ key: Bytes, at main: Int64) -> KeyValue? {
        rows.last { $0.key == key && $0.revision.main <= main }?.pair
    }

    func pairs(_ range: KeyRange, at main: Int64) -> [KeyValue] {
        lastRows(through: main).values.compactMap(\.pair).filter { range.contains($0.key) }.sorted { $0.key < $1.key }
    }

    /// As etcd answers it.
    func answer(_ request: RangeRequest) throws(MVCCError) -> RangeResponse {
        let revision = request.revision <= 0 ? current : request.revision
        if revision > current { throw .futureRevision }
        if revision < compacted { throw .compacted }
        var pairs = pairs(KeyRange(key: request.key, end: request.rangeEnd), at: revision)
        let count = Int64(pairs.count)
        if request.countOnly { return RangeResponse(count: count) }
        let limit = request.limit > 0 ? Int(request.limit) : Int.max
        let hasFilter =
            request.minModRevision != 0 || request.maxModRevision != 0 || request.minCreateRevision != 0
            || request.maxCreateRevision != 0
        let isKeyOrder = request.sortOrder == .none || (request.sortOrder == .ascend && request.sortTarget == .key)
        if isKeyOrder && !hasFilter && limit < Int.max { pairs = Array(pairs.prefix(limit + 1)) }
        if request.maxModRevision != 0 { pairs.removeAll { $0.modRevision > request.maxModRevision } }
        if request.minModRevision != 0 { pairs.removeAll { $0.modRevision < request.minModRevision } }
        if request.maxCreateRevision != 0 { pairs.removeAll { $0.createRevision > request.maxCreateRevision } }
        if request.minCreateRevision != 0 { pairs.removeAll { $0.createRevision < request.minCreateRevision } }
        if !(request.sortTarget == .key && request.sortOrder == .none) {
            func order(_ left: KeyValue, _ right: KeyValue) -> Int {
                func compare<Value: Comparable>(_ l: Value, _ r: Value) -> Int { l < r ? -1 : (l > r ? 1 : 0) }
                switch request.sortTarget {
                case .version: return compare(left.version, right.version)
                case .create: return compare(left.createRevision, right.createRevision)
                case .mod: return compare(left.modRevision, right.modRevision)
                case .value: return compare(left.value, right.value)
                default: return compare(left.key, right.key)
                }
            }
            let sign = request.sortOrder == .descend ? -1 : 1
            // Insertion sort: stable, and unlike the code under test.
            for end in pairs.indices.dropFirst() {
                var place = end
                while place > 0, sign * order(pairs[place - 1], pairs[place]) > 0 {
                    pairs.swapAt(place - 1, place)
                    place -= 1
                }
            }
        }
        let more = pairs.count > limit
        pairs = Array(pairs.prefix(limit))
        if request.keysOnly {
            for index in pairs.indices {
                pairs[index].value = Bytes()
                if request.sortTarget != .value { pairs[index].lease = 0 }
            }
        }
        return RangeResponse(kvs: pairs.map { $0.encoded() }, more: more, count: count)
    }

    /// As etcd's members compute it, over the rows a finished compaction leaves.
    func hashKV(_ revision: Int64) -> UInt32 {
        let kept = lastRows(through: revision).values.filter { $0.pair != nil }.map(\.revision)
        var crc = CRC32C()
        crc.update("key")
        for row in rows where row.revision.main <= revision {
            if row.revision.main <= compacted && !kept.isEmpty && !kept.contains(row.revision) { continue }
            if row.revision.main == compacted && row.pair == nil { continue }
            crc.update(row.keyBytes)
            crc.update(row.value)
        }
        return crc.value
    }

    var leases: [Bytes: LeaseID] {
        lastRows(through: current).compactMapValues { $0.pair?.lease }.filter { $0.value != 0 }
    }
}
