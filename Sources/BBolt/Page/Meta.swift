// The meta page: which pages are the current state. Two of them, written in turn; the valid one with the higher
// transaction wins, so a torn write of one leaves the other.

import Base

struct Meta: Sendable, Equatable {
    static let magic: UInt32 = 0xED0C_DAED
    static let formatVersion: UInt32 = 2
    /// The freelist's page where the freelist is not stored.
    static let noFreelist: PageID = 0xFFFF_FFFF_FFFF_FFFF

    var pageSize: UInt32
    var root: PageID
    var rootSequence: UInt64 = 0
    var freelist: PageID
    /// One above the highest page ever used.
    var highWater: PageID
    var transaction: TransactionID

    /// The largest page whose elements a page's 16-bit count can still number, each element taking 17 bytes at least.
    private static let pageSizeMax: UInt32 = 1 << 20
    /// No file has seen so many commits; numbers above it could overflow.
    private static let transactionMax: TransactionID = 1 << 62

    /// Whether the numbers can be worked with: a right checksum says only that somebody meant them.
    var isPlausible: Bool {
        pageSize >= 512 && pageSize <= Self.pageSizeMax && pageSize.nonzeroBitCount == 1 && highWater >= 3
            && highWater < UInt64(Int.max) / UInt64(pageSize) && transaction < Self.transactionMax
    }

    /// The bytes behind the page header.
    var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: PageLayout.metaSize)
        bytes.store(Self.magic, at: 0)
        bytes.store(Self.formatVersion, at: 4)
        bytes.store(pageSize, at: 8)
        bytes.store(UInt32(0), at: 12)
        bytes.store(root, at: 16)
        bytes.store(rootSequence, at: 24)
        bytes.store(freelist, at: 32)
        bytes.store(highWater, at: 40)
        bytes.store(transaction, at: 48)
        let checksum = bytes.withUnsafeBytes { fnv1a64(UnsafeRawBufferPointer(rebasing: $0[0..<56])) }
        bytes.store(checksum, at: 56)
        return bytes
    }

    /// A whole page with the header.
    /// - Parameter id: 0 or 1; by default where the meta of the transaction belongs.
    func page(size: Int, id: PageID? = nil) -> [UInt8] {
        var page = [UInt8](repeating: 0, count: size)
        page.store(id ?? transaction % 2, at: 0)
        page.store(PageLayout.metaFlag, at: 8)
        page.replaceSubrange(PageLayout.headerSize..<PageLayout.headerSize + PageLayout.metaSize, with: encoded)
        return page
    }

    /// The meta in a page's bytes, or why there is none.
    static func read(_ page: UnsafeRawBufferPointer) -> Result<Meta, MetaProblem> {
        guard page.count >= PageLayout.headerSize + PageLayout.metaSize else { return .failure(.init("the file is too short")) }
        let body = UnsafeRawBufferPointer(rebasing: page[PageLayout.headerSize..<PageLayout.headerSize + PageLayout.metaSize])
        guard body.number(0, as: UInt32.self) == magic else { return .failure(.init("invalid database")) }
        guard body.number(4, as: UInt32.self) == formatVersion else { return .failure(.init("version mismatch")) }
        guard body.number(56, as: UInt64.self) == fnv1a64(UnsafeRawBufferPointer(rebasing: body[0..<56])) else {
            return .failure(.init("checksum error"))
        }
        return .success(
            Meta(
                pageSize: body.number(8),
                root: body.number(16),
                rootSequence: body.number(24),
                freelist: body.number(32),
                highWater: body.number(40),
                transaction: body.number(48)
            )
        )
    }
}

struct MetaProblem: Error {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}
