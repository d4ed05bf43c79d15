// The whole file as one state: what a snapshot streams. The meta pages are made for it; everything else is copied as
// it stands, for pages that the state reaches don't change while it is read.

import Base
import FileIO

package struct DatabaseImage: Sendable {
    private let transaction: ReadTransaction
    private let head: [UInt8]

    /// Bytes of the image.
    package let sizeBytes: UInt64

    package init(of transaction: ReadTransaction) {
        self.transaction = transaction
        let meta = transaction.source.meta
        var older = meta
        // The other meta, as if one commit older; before the first there was none.
        if older.transaction > 0 { older.transaction -= 1 }
        let place = meta.transaction % 2
        let pages = [meta.page(size: Int(meta.pageSize), id: place), older.page(size: Int(meta.pageSize), id: 1 - place)]
        head = place == 0 ? pages[0] + pages[1] : pages[1] + pages[0]
        sizeBytes = transaction.sizeBytes
    }

    /// Up to `count` bytes from `offset` on; fewer at the end.
    package func read(from offset: UInt64, count: Int) -> [UInt8] {
        guard offset < sizeBytes else { return [] }
        let end = min(sizeBytes, offset + UInt64(count))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(end - offset))
        if offset < UInt64(head.count) {
            bytes += head[Int(offset)..<Int(min(end, UInt64(head.count)))]
        }
        let start = max(offset, UInt64(head.count))
        if start < end {
            let region = transaction.source.region.bytes
            bytes += UnsafeRawBufferPointer(rebasing: region[Int(start)..<Int(end)])
            transaction.source.region.dropResidentPages(Int(start)..<Int(end))
        }
        return bytes
    }
}
