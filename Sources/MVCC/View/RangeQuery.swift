// Answering a RangeRequest: limits, filters and orders as etcd applies them, quirks included.
//
// The plain case (order of keys, no filter) streams rows from the file into the response without looking inside them.

import BBolt
import Backend
package import Base
package import EtcdWire
package import Wire

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
        try answer(request, countsAll: true)
    }

    /// The whole answer to a read of one key, as most are: found, and written behind what `begin` has written.
    /// - Parameter begin: gives a writer with the message's header for the store's revision, and room for so many bytes more.
    /// - Returns: nil where the request is another one.
    package func answerSingle(
        _ request: RangeRequest, _ begin: (_ revision: Int64, _ room: Int) -> WireWriter
    ) throws(MVCCError) -> Bytes? {
        guard request.rangeEnd.isEmpty, !request.countOnly, !request.keysOnly, !request.hasRevisionFilter,
            request.sortOrder == .none, request.sortTarget == .key
        else { return nil }
        let revision = try resolve(request.revision)
        guard let mark = index.history(of: request.key)?.revision(at: revision) else { return begin(currentRevision, 0).bytes }
        var answer: Bytes?
        let isThere = try onBackend { () throws(BBoltError) in
            try rows.withValue(at: mark) { row in
                var encoder = RangeResponseEncoder(
                    header: nil, into: begin(currentRevision, row.count + Self.rowOverhead + Self.answerOverhead))
                encoder.append(encoded: row)
                answer = encoder.finish(more: false, count: 1).bytes
            }
        }
        guard isThere, let answer else { throw .corruptRow(mark) }
        return answer
    }

    /// - Parameter countsAll: false for the pieces of a stream, which is counted once.
    func answer(_ request: RangeRequest, countsAll: Bool) throws(MVCCError) -> RangeAnswer {
        let revision = try resolve(request.revision)
        let range = request.range
        if request.countOnly {
            return finish(RangeResponseEncoder(header: nil), more: false, count: count(range, at: revision))
        }
        if let answer = keysOnlyAnswer(request, at: revision, countsAll) { return answer }
        let (found, count) = revisions(range, at: revision, limit: request.readLimit, countsAll: countsAll)
        let sortsByNone = request.sortOrder == .none && request.sortTarget != .key
        if request.isInKeyOrder, !sortsByNone, !request.hasRevisionFilter, !request.keysOnly {
            return try stream(found, request, count)
        }
        return try select(found, request, count)
    }

    /// How many bytes the pairs of a range have together: what an answer without limit and filter holds.
    /// - Returns: nil for more than `keysMax` pairs.
    /// - Throws: as `answer`.
    package func sizes(_ request: RangeRequest, keysMax: Int) throws(MVCCError) -> Int? {
        let revision = try resolve(request.revision)
        let marks: [Revision]
        if request.rangeEnd.isEmpty {
            guard let mark = index.history(of: request.key)?.revision(at: revision) else { return 0 }
            marks = [mark]
        } else {
            // Counted first where that takes no walk: most ranges that are too long are much too long.
            if revision == currentRevision, index.liveCount(in: request.range) > keysMax { return nil }
            marks = revisions(request.range, at: revision, limit: keysMax + 1, countsAll: false).found
            if marks.count > keysMax { return nil }
        }
        var bytes = 0
        for mark in marks {
            let isThere = try onBackend { () throws(BBoltError) in
                try rows.withValue(at: mark) { bytes += $0.count + Self.rowOverhead }
            }
            guard isThere else { throw .corruptRow(mark) }
        }
        return bytes
    }

    private func finish(_ encoder: consuming RangeResponseEncoder, more: Bool, count: Int) -> RangeAnswer {
        RangeAnswer(body: encoder.finish(more: more, count: Int64(count)).bytes, revision: currentRevision)
    }

    /// Rows go out as they are stored.
    private func stream(_ found: [Revision], _ request: RangeRequest, _ count: Int) throws(MVCCError) -> RangeAnswer {
        let shown = request.limit > 0 ? min(found.count, Int(clamping: request.limit)) : found.count
        var encoder = RangeResponseEncoder(header: nil)
        var reader = try onBackend { () throws(BBoltError) in try rows.rowReader() }
        for (position, revision) in found[..<shown].enumerated() {
            let isThere = try onBackend { () throws(BBoltError) in
                try reader.withValue(at: revision) { row in
                    // Rows of a range are mostly alike: with the first one's size the answer seldom has to grow.
                    if position == 0 { encoder = Self.encoder(for: shown, rowsOf: row.count) }
                    encoder.append(encoded: row)
                }
            }
            if !isThere { throw .corruptRow(revision) }
        }
        return finish(encoder, more: found.count > shown, count: count)
    }

    /// Reserving more than this ahead would be a guess too dear if it is wrong.
    private static let reservedBytesMax = 4 << 20
    /// Around each row: tag and length; behind the last: more and count.
    private static let rowOverhead = 6, answerOverhead = 16

    private static func encoder(for count: Int, rowsOf size: Int) -> RangeResponseEncoder {
        let capacity = min(reservedBytesMax, max(size, count * (size + rowOverhead)) + answerOverhead)
        return RangeResponseEncoder(header: nil, into: WireWriter(capacity: capacity))
    }

    /// Keys in their order, without values: all of it is in the index, if not in another life of the key than its last.
    /// - Returns: nil where rows have to be read.
    private func keysOnlyAnswer(_ request: RangeRequest, at revision: Int64, _ countsAll: Bool) -> RangeAnswer? {
        guard request.keysOnly, request.sortOrder == .none || request.sortOrder == .ascend, request.sortTarget == .key,
            !request.hasRevisionFilter
        else { return nil }
        let limit = request.limit > 0 ? Int(clamping: request.limit) : Int.max
        var encoder = RangeResponseEncoder(header: nil)
        var (shown, isCutOff, isKnown) = (0, false, true)
        index.forEach(request.range) { key, history in
            guard let mark = history.revision(at: revision) else { return true }
            if shown == limit {
                isCutOff = true
                return false
            }
            guard let (createRevision, version) = history.details(at: mark) else {
                isKnown = false
                return false
            }
            encoder.append(
                encoded: KeyValue(
                    key: Bytes(copying: key), createRevision: createRevision, modRevision: mark.main, version: version
                ).encoded())
            shown += 1
            return true
        }
        guard isKnown else { return nil }
        return finish(encoder, more: isCutOff, count: isCutOff && countsAll ? count(request.range, at: revision) : shown)
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
