// RangeStream: one big read in pieces that fit a message, all at the revision of the first.

import Base
package import EtcdWire
import Wire

package struct RangeStreamer: Sendable {
    /// Keys of the first piece; later ones double or halve with the size of what came out.
    private static let firstLimit: Int64 = 10

    private let request: RangeRequest
    private let revision: Int64
    /// The store's when the stream began, whatever revision it reads: what the last piece's header says.
    private let headerRevision: Int64
    private var nextKey: Bytes
    private var limit = Self.firstLimit
    private var sent: Int64 = 0
    private let targetSize: Int
    private let total: Int
    package private(set) var isFinished = false

    /// - Parameter targetSize: `--max-request-bytes`: about what a piece may weigh.
    package init(_ request: RangeRequest, on view: StoreView, targetSize: Int) throws(MVCCError) {
        self.request = request
        self.targetSize = targetSize
        revision = try view.resolve(request.revision)
        headerRevision = view.currentRevision
        nextKey = request.key
        total = view.count(request.range, at: revision)
    }

    /// The next piece: an encoded `RangeResponse` without header; the last one carries count and more, and the header
    /// that the caller puts before it.
    package mutating func next(on view: StoreView) throws(MVCCError) -> RangeAnswer {
        if request.countOnly {
            isFinished = true
            return RangeAnswer(
                body: RangeResponseEncoder(header: nil).finish(more: false, count: Int64(total)).bytes, revision: headerRevision)
        }
        let left = request.limit > 0 ? request.limit - sent : Int64.max
        var piece = request
        piece.key = nextKey
        piece.revision = revision
        // A limit below zero is none, and asks for all in one piece.
        piece.limit = request.limit < 0 ? request.limit : min(limit, left)
        let answer = try view.answer(piece, countsAll: false)
        guard let response = try? RangeResponse(decoding: answer.body) else { throw .corruptRow(Revision(main: revision)) }
        sent += Int64(response.kvs.count)
        let hasMore = response.more
        if let last = response.kvs.last, let pair = try? KeyValue(decoding: last) {
            nextKey = Bytes(pair.key.array + [0])
        }
        if request.isSingle || !hasMore || sent == request.limit {
            isFinished = true
            return RangeAnswer(
                body: RangeResponse(kvs: response.kvs, more: hasMore, count: Int64(total)).encoded(), revision: headerRevision)
        }
        let size = answer.body.count
        if size < targetSize / 2 { limit *= 2 } else if size > targetSize * 2 { limit = max(1, limit / 2) }
        return RangeAnswer(body: RangeResponse(kvs: response.kvs).encoded(), revision: headerRevision)
    }
}

extension RangeRequest {
    fileprivate var isSingle: Bool { rangeEnd.isEmpty }
}
