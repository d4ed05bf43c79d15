// Answering a RangeRequest: limits, filters and orders as etcd applies them, quirks included.
//
// The plain case (order of keys, no filter) streams rows from the file into the response without looking inside them.

import BBolt
import Backend
package import Base
package import EtcdWire
import Wire

package struct RangeAnswer: Sendable {
    /// The encoded `RangeResponse` without its header.
    package var body: Bytes
    /// The store's revision for the header.
    package var revision: Int64
}

extension RangeRequest {
    package var range: KeyRange { KeyRange(key: key, end: rangeEnd) }

    package var hasRevisionFilter: Bool {
        minModRevision != 0 || maxModRevision != 0 || minCreateRevision != 0 || maxCreateRevision != 0
    }

    /// No sorting is needed. Order NONE counts as such here, whatever the target, though it sorts later: see `sort`.
    var isInKeyOrder: Bool {
        sortOrder == .none || (sortTarget == .key && sortOrder == .ascend)
    }

    /// How many pairs to read: one more than asked for tells that there are more. 0: all.
    var readLimit: Int {
        if !isInKeyOrder || hasRevisionFilter || limit <= 0 { return 0 }
        return limit < Int64(Int.max) ? Int(limit) + 1 : 0
    }
}

extension StoreView {
    /// - Throws: compacted, future revision, or what the file below says.
    package func answer(_ request: RangeRequest) throws(MVCCError) -> RangeAnswer {
        let revision = try resolve(request.revision)
        let range = request.range
        if request.countOnly {
            return finish(RangeResponseEncoder(header: nil), more: false, count: count(range, at: revision))
        }
        let (found, count) = revisions(range, at: revision, limit: request.readLimit)
        let sortsByNone = request.sortOrder == .none && request.sortTarget != .key
        if request.isInKeyOrder, !sortsByNone, !request.hasRevisionFilter, !request.keysOnly {
            return try stream(found, request, count)
        }
        return try select(found, request, count)
    }

    private func finish(_ encoder: consuming RangeResponseEncoder, more: Bool, count: Int) -> RangeAnswer {
        RangeAnswer(body: encoder.finish(more: more, count: Int64(count)).bytes, revision: currentRevision)
    }

    /// Rows go out as they are stored.
    private func stream(_ found: [Revision], _ request: RangeRequest, _ count: Int) throws(MVCCError) -> RangeAnswer {
        let shown = request.limit > 0 ? min(found.count, Int(clamping: request.limit)) : found.count
        var encoder = RangeResponseEncoder(header: nil)
        var reader = try onBackend { () throws(BBoltError) in try rows.rowReader() }
        for revision in found[..<shown] {
            let isThere = try onBackend { () throws(BBoltError) in
                try reader.withValue(at: revision) { encoder.append(encoded: $0) }
            }
            if !isThere { throw .corruptRow(revision) }
        }
        return finish(encoder, more: found.count > shown, count: count)
    }

    /// Everything is read, filtered, sorted and then cut.
    private func select(_ found: [Revision], _ request: RangeRequest, _ count: Int) throws(MVCCError) -> RangeAnswer {
        var pairs: [KeyValue] = []
        pairs.reserveCapacity(found.count)
        var reader = try onBackend { () throws(BBoltError) in try rows.rowReader() }
        for revision in found {
            guard let row = try onBackend({ () throws(BBoltError) in try reader.value(at: revision) }),
                let pair = try? KeyValue(decoding: row)
            else { throw .corruptRow(revision) }
            if request.isWanted(pair) { pairs.append(pair) }
        }
        request.sort(&pairs)
        let shown = request.limit > 0 ? min(pairs.count, Int(clamping: request.limit)) : pairs.count
        var encoder = RangeResponseEncoder(header: nil)
        for var pair in pairs[..<shown] {
            if request.keysOnly {
                // Where the value plays no part etcd answers from its index, which knows no lease.
                if request.sortTarget != .value { pair.lease = 0 }
                pair.value = Bytes()
            }
            encoder.append(pair)
        }
        return finish(encoder, more: pairs.count > shown, count: count)
    }
}

extension RangeRequest {
    fileprivate func isWanted(_ pair: KeyValue) -> Bool {
        (maxModRevision == 0 || pair.modRevision <= maxModRevision)
            && (minModRevision == 0 || pair.modRevision >= minModRevision)
            && (maxCreateRevision == 0 || pair.createRevision <= maxCreateRevision)
            && (minCreateRevision == 0 || pair.createRevision >= minCreateRevision)
    }

    /// NONE sorts ascending where the target is not the key: after the limit was taken off, as etcd does it.
    fileprivate func sort(_ pairs: inout [KeyValue]) {
        if sortTarget == .key && sortOrder != .descend { return }
        let descending = sortOrder == .descend
        func sort(_ precedes: (KeyValue, KeyValue) -> Bool) {
            // Stable, so that ties stand in order of keys.
            let sorted = pairs.enumerated().sorted { left, right in
                if precedes(left.element, right.element) { return !descending }
                if precedes(right.element, left.element) { return descending }
                return left.offset < right.offset
            }
            pairs = sorted.map(\.element)
        }
        switch sortTarget {
        case .version: sort { $0.version < $1.version }
        case .create: sort { $0.createRevision < $1.createRevision }
        case .mod: sort { $0.modRevision < $1.modRevision }
        case .value: sort { $0.value < $1.value }
        default: sort { $0.key < $1.key }
        }
    }
}
