// The stored list of free pages. Etcd writes none; files of other programs and of old versions have one.

import Base

enum FreelistPage {
    /// Bytes that `count` free pages take, with room for the number that stands in front of many.
    static func size(count: Int) -> Int { PageLayout.headerSize + (count + 1) * 8 }

    /// The page's bytes, `pages` long.
    static func encode(_ free: [PageID], page: PageID, pages: Int, pageSize: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: pages * pageSize)
        bytes.store(page, at: 0)
        bytes.store(PageLayout.freelistFlag, at: 8)
        bytes.store(UInt32(pages - 1), at: 12)
        var offset = PageLayout.headerSize
        if free.count >= Int(PageLayout.manyFreePages) {
            bytes.store(PageLayout.manyFreePages, at: 10)
            bytes.store(UInt64(free.count), at: offset)
            offset += 8
        } else {
            bytes.store(UInt16(free.count), at: 10)
        }
        for id in free {
            bytes.store(id, at: offset)
            offset += 8
        }
        return bytes
    }

    /// The free pages that the state's freelist names, ascending and each once.
    static func read(_ source: PageSource) throws(BBoltError) -> [PageID] {
        let page = source.meta.freelist
        let bytes = try source.bytes(page)
        guard bytes.number(8, as: UInt16.self) & PageLayout.freelistFlag != 0 else {
            throw source.problem(page, "not a freelist page")
        }
        var count = Int(bytes.number(10, as: UInt16.self))
        var offset = PageLayout.headerSize
        if count == Int(PageLayout.manyFreePages) {
            count = Int(clamping: bytes.number(offset, as: UInt64.self))
            offset += 8
        }
        guard count <= (bytes.count - offset) / 8 else { throw source.problem(page, "\(count) free pages do not fit") }
        var free: [PageID] = []
        free.reserveCapacity(count)
        for index in 0..<count {
            let id: PageID = bytes.number(offset + index * 8)
            guard id >= 2, id < source.meta.highWater else {
                throw source.problem(page, "free page \(id) is none of the file's")
            }
            free.append(id)
        }
        free.sort()
        for index in free.indices.dropFirst() where free[index] == free[index - 1] {
            throw source.problem(page, "page \(free[index]) is free twice")
        }
        return free
    }
}
