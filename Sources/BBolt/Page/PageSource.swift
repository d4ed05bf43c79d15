// The pages of one state of the file: its meta, and the mapping they are read through.

import Base
import FileIO

/// Reads pages of a state; keeps the mapping alive. One object for all who read the state, as every look at a page goes
/// through it.
final class PageSource: Sendable {
    let path: String
    let meta: Meta
    let region: MappedRegion
    /// Bytes of the mapping that the file really backs.
    let limit: Int

    init(path: String, meta: Meta, region: MappedRegion, limit: Int) {
        self.path = path
        self.meta = meta
        self.region = region
        self.limit = limit
    }

    var pageSize: Int { Int(meta.pageSize) }

    func problem(_ page: PageID, _ reason: String) -> BBoltError {
        .corrupt(path: path, page: page, offset: Int(truncatingIfNeeded: page &* UInt64(meta.pageSize)), reason: reason)
    }

    /// The bytes of a page with its overflow.
    @inline(__always)
    func bytes(_ page: PageID) throws(BBoltError) -> UnsafeRawBufferPointer {
        guard page >= 2, page < meta.highWater else { throw problem(page, "beyond the file's \(meta.highWater) pages") }
        let start = Int(page) * pageSize
        guard start + pageSize <= limit else { throw problem(page, "beyond the file's end") }
        let overflow = Int(region.bytes.number(start + 12, as: UInt32.self))
        let length = (overflow + 1) * pageSize
        guard start + length <= limit, UInt64(overflow) < meta.highWater - page else {
            throw problem(page, "overflows by \(overflow) pages beyond the file")
        }
        return UnsafeRawBufferPointer(rebasing: region.bytes[start..<start + length])
    }

    @inline(__always)
    func page(_ id: PageID) throws(BBoltError) -> PageView {
        let bytes = try bytes(id)
        guard bytes.number(0, as: UInt64.self) == id else {
            throw problem(id, "it says it is page \(bytes.number(0, as: UInt64.self))")
        }
        do throws(PageProblem) { return try PageView(id: id, bytes: bytes) } catch { throw problem(id, error.reason) }
    }

    /// Runs a look into a page, its problem as an error that names the page.
    @inline(__always)
    func look<R>(_ page: PageView, _ body: (PageView) throws(PageProblem) -> R) throws(BBoltError) -> R {
        do throws(PageProblem) { return try body(page) } catch { throw problem(page.id, error.reason) }
    }
}

/// Where a bucket's tree starts: a page, or an image inside its parent's value.
struct BucketRoot: Sendable {
    var page: PageID
    var sequence: UInt64
    /// With `page` 0: the bytes of the inline page in the mapping, from their start to their end.
    var inline: Range<Int>?
    /// The page in which an inline bucket lies.
    private var holder: PageID = 0

    /// - Parameter value: a bucket element's value inside `source.region`.
    init(value: UnsafeRawBufferPointer, in source: PageSource, page holder: PageID) throws(BBoltError) {
        guard value.count >= PageLayout.bucketHeaderSize else { throw source.problem(holder, "a bucket's header is cut short") }
        page = value.number(0)
        sequence = value.number(8)
        inline = nil
        self.holder = holder
        if page == 0 {
            guard value.count >= PageLayout.bucketHeaderSize + PageLayout.headerSize,
                let start = value.baseAddress, let base = source.region.bytes.baseAddress
            else { throw source.problem(holder, "an inline bucket is cut short") }
            let offset = start - base
            inline = offset + PageLayout.bucketHeaderSize..<offset + value.count
        }
    }

    init(page: PageID, sequence: UInt64) {
        self.page = page
        self.sequence = sequence
        inline = nil
    }

    func view(in source: PageSource) throws(BBoltError) -> PageView {
        guard let inline else { return try source.page(page) }
        let image = UnsafeRawBufferPointer(rebasing: source.region.bytes[inline])
        do throws(PageProblem) {
            let view = try PageView(id: 0, bytes: image)
            guard view.isLeaf else { throw PageProblem("an inline bucket that is no leaf") }
            return view
        } catch {
            throw source.problem(holder, error.reason)
        }
    }
}
