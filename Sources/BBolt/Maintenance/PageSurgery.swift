// Operations on single pages of a damaged file that nobody has open: elements taken out of a page, fields of a meta page
// set. Nothing is checked that such a file might not fulfil; whoever calls them has made a copy.

import Base
package import FileIO

/// Fields of a meta page that may be set.
package struct MetaChanges: Sendable, Equatable {
    package var pageSize: UInt32?
    package var root: UInt64?
    package var freelist: UInt64?
    package var highWater: UInt64?

    package init() {}
}

extension Surgery {
    /// Takes the elements from `start` to before `end` (nil: to the last) out of a branch or leaf page. One without
    /// elements is left alone.
    /// - Returns: whether pages may have become free that no list has.
    package static func clearElements(
        _ path: String, page id: UInt64, from start: Int, to end: Int?, fileSystem: any FileSystem
    ) throws(BBoltError) -> Bool {
        let inspection = try PageInspection(path, fileSystem: fileSystem)
        defer { inspection.close() }
        let page = try inspection.page(id)
        func refusal(_ reason: String) -> BBoltError { .corrupt(path: path, page: id, offset: 0, reason: reason) }
        guard page.kind == .leaf || page.kind == .branch else {
            throw refusal("can't clear elements in \"\(page.kind.name)\" page")
        }
        if page.count == 0 { return false }
        guard start >= 0, start < page.count else {
            throw refusal("the start index (\(start)) is out of range [0, \(page.count))")
        }
        let stop = end ?? page.count
        guard stop >= 0, stop <= page.count else {
            throw refusal("the end index (\(stop)) is out of range [0, \(page.count)]")
        }
        if start > stop { throw refusal("the start index (\(start)) is bigger than the end index (\(stop))") }
        if start == stop { throw refusal("invalid: the start index (\(start)) is equal to the end index (\(stop))") }
        let kept: [UInt8]
        do throws(PageProblem) {
            kept = try bytes(of: page, without: start..<stop, pageSize: inspection.pageSize)
        } catch {
            throw refusal(error.reason)
        }
        try overwrite(path, at: id &* UInt64(inspection.pageSize), with: kept, fileSystem)
        return kept.count != page.bytes.count || page.kind == .branch
    }

    /// The page anew. Of elements that go, nothing is looked at: they may be what is damaged.
    private static func bytes(
        of page: InspectedPage, without range: Range<Int>, pageSize: Int
    ) throws(PageProblem) -> [UInt8] {
        let isLeaf = page.kind == .leaf
        if range == 0..<page.count { return Node.encode([], isLeaf: isLeaf, page: page.id, pageSize: pageSize) }
        return try Bytes(page.bytes).withUnsafeBytes { (buffer: UnsafeRawBufferPointer) throws(PageProblem) -> [UInt8] in
            let view = try PageView(id: page.id, bytes: buffer)
            var kept: [Inode] = []
            for index in 0..<view.count where !range.contains(index) {
                let key = Bytes(copying: try view.key(index))
                kept.append(
                    isLeaf
                        ? Inode(flags: view.flags(index), key: key, value: Bytes(copying: try view.value(index)))
                        : Inode(child: view.child(index), key: key))
            }
            let size = kept.reduce(PageLayout.headerSize) { $0 + $1.size(isLeaf: isLeaf) }
            // Elements that overlap may take more room one by one.
            guard size <= buffer.count else { throw PageProblem("the elements overlap") }
            return Node.encode(kept[...], isLeaf: isLeaf, page: page.id, pageSize: pageSize)
        }
    }

    /// How much of the file a meta page is looked for in: as much as any page has.
    private static let metaBytes = 1024

    /// Sets fields of the meta on page 0 or 1, and whatever makes it count as a meta: marks, version, checksum.
    /// - Returns: whether it is another one now, its page size, and that of page 0, by which page 1 is found.
    package static func updateMeta(
        _ path: String, place: UInt64, _ changes: MetaChanges, fileSystem: any FileSystem
    ) throws(BBoltError) -> (isChanged: Bool, pageSize: UInt32, firstPageSize: UInt32) {
        precondition(place <= 1, "there are two meta pages")
        let file = try onFile { () throws(FileError) in try fileSystem.open(path, .read) }
        defer { file.close() }
        func read(at offset: UInt64) throws(BBoltError) -> [UInt8] {
            let bytes = try onFile { () throws(FileError) in try file.read(count: metaBytes, at: offset) }
            guard bytes.count == metaBytes else {
                throw .corrupt(path: path, page: place, offset: Int(offset), reason: "EOF")
            }
            return bytes
        }
        let first = try read(at: 0).withUnsafeBytes { $0.number(PageLayout.headerSize + 8, as: UInt32.self) }
        let offset = place * UInt64(first)
        var bytes = try read(at: offset)
        let before = bytes
        let start = PageLayout.headerSize
        bytes.store(Meta.magic, at: start)
        bytes.store(Meta.formatVersion, at: start + 4)
        // bbolt leaves these flags empty when it writes, and sets them here.
        bytes.store(UInt32(PageLayout.metaFlag), at: start + 12)
        if let pageSize = changes.pageSize { bytes.store(pageSize, at: start + 8) }
        if let root = changes.root {
            bytes.store(root, at: start + 16)
            bytes.store(UInt64(0), at: start + 24)
        }
        if let freelist = changes.freelist { bytes.store(freelist, at: start + 32) }
        if let highWater = changes.highWater { bytes.store(highWater, at: start + 40) }
        let checksum = bytes.withUnsafeBytes { fnv1a64(UnsafeRawBufferPointer(rebasing: $0[start..<start + 56])) }
        bytes.store(checksum, at: start + 56)
        let pageSize = bytes.withUnsafeBytes { $0.number(start + 8, as: UInt32.self) }
        let isChanged = bytes != before || changes != MetaChanges()
        if isChanged { try overwrite(path, at: offset, with: bytes, fileSystem) }
        return (isChanged, pageSize, first)
    }

    private static func overwrite(
        _ path: String, at offset: UInt64, with bytes: [UInt8], _ fileSystem: any FileSystem
    ) throws(BBoltError) {
        let file = try onFile { () throws(FileError) in try fileSystem.open(path, .readWrite) }
        defer { file.close() }
        if try !onFile({ () throws(FileError) in try file.tryLock() }) { throw .locked(path: path) }
        try onFile { () throws(FileError) in
            try file.write(Bytes(bytes), at: offset)
            try file.synchronizeData()
        }
    }
}
