// Pages as they stand in a file, sound or not: what one looks at when a file is in doubt. No transaction, no lock.

package import Base
package import FileIO

package struct PageInspection: Sendable {
    /// Where neither meta says a page size.
    private static let pageSizeDefault = 4096

    package let path: String
    /// Bytes.
    package let pageSize: Int
    /// One above the highest page that the current state has; of a file without any, one above the last page it has room for.
    package let highWater: UInt64
    private let file: any File

    package init(_ path: String, fileSystem: any FileSystem) throws(BBoltError) {
        self.path = path
        let file = try onFile { () throws(FileError) in try fileSystem.open(path, .read) }
        self.file = file
        do throws(BBoltError) {
            let size = try onFile { () throws(FileError) in try file.size() }
            do throws(BBoltError) {
                let meta = try MetaPages.current(file, path, size)
                (pageSize, highWater) = (Int(meta.pageSize), meta.highWater)
            } catch {
                guard case .noValidMeta = error, size >= UInt64(Self.pageSizeDefault) else { throw error }
                (pageSize, highWater) = (Self.pageSizeDefault, size / UInt64(Self.pageSizeDefault))
            }
        } catch {
            file.close()
            throw error
        }
    }

    package func close() { file.close() }

    /// What is wrong with the meta on page 0 or 1; nil if nothing is.
    package func problem(ofMeta place: UInt64) throws(BBoltError) -> String? {
        switch try MetaPages.read(file, at: place * UInt64(pageSize)) {
        case .failure(let problem): problem.reason
        case .success(let meta): meta.isPlausible ? nil : "implausible numbers"
        }
    }

    /// The bytes of one page, without its overflow pages.
    package func block(_ id: UInt64) throws(BBoltError) -> [UInt8] {
        try bytes(id, pages: 1)
    }

    /// The page with its overflow pages.
    package func page(_ id: UInt64) throws(BBoltError) -> InspectedPage {
        let page = InspectedPage(bytes: try block(id))
        guard page.id == id else { throw problem(id, "invalid value due to unexpected Page id: \(page.id) != \(id)") }
        guard UInt64(page.overflow) < highWater else {
            throw problem(id, "invalid value, Page claims to have \(page.overflow) overflow pages (>=hwm=\(highWater))")
        }
        return page.overflow == 0 ? page : InspectedPage(bytes: try bytes(id, pages: Int(page.overflow) + 1))
    }

    private func bytes(_ id: UInt64, pages: Int) throws(BBoltError) -> [UInt8] {
        guard id < UInt64(Int.max) / UInt64(pageSize) else { throw problem(id, "EOF") }
        let count = pages * pageSize
        let bytes = try onFile { () throws(FileError) in
            // Before memory is taken for what a damaged page says.
            let size = try file.size()
            let offset = id * UInt64(pageSize)
            guard offset < size, UInt64(count) <= size - offset else { return [UInt8]() }
            return try file.read(count: count, at: offset)
        }
        guard bytes.count == count else { throw problem(id, "EOF") }
        return bytes
    }

    private func problem(_ id: UInt64, _ reason: String) -> BBoltError {
        .corrupt(path: path, page: id, offset: Int(truncatingIfNeeded: id &* UInt64(pageSize)), reason: reason)
    }
}

/// One page and its overflow pages, at least a header and a meta long.
package struct InspectedPage: Sendable {
    package let bytes: [UInt8]

    package var id: UInt64 { number(0) }
    package var flags: UInt16 { number(8) }
    package var count: Int { Int(number(10, as: UInt16.self)) }
    package var overflow: UInt32 { number(12) }

    package enum Kind: Sendable, Equatable {
        case branch, leaf, meta, freelist, unknown(UInt16)

        package var name: String {
            switch self {
            case .branch: "branch"
            case .leaf: "leaf"
            case .meta: "meta"
            case .freelist: "freelist"
            case .unknown(let flags): "unknown<" + (flags < 16 ? "0" : "") + String(flags, radix: 16) + ">"
            }
        }
    }

    package var kind: Kind {
        if flags & PageLayout.branchFlag != 0 { return .branch }
        if flags & PageLayout.leafFlag != 0 { return .leaf }
        if flags & PageLayout.metaFlag != 0 { return .meta }
        return flags & PageLayout.freelistFlag != 0 ? .freelist : .unknown(flags)
    }

    package enum Element: Sendable, Equatable {
        case pair(key: Bytes, value: Bytes)
        case bucket(key: Bytes, root: UInt64, sequence: UInt64)
        case child(key: Bytes, page: UInt64)
    }

    private func number<T: FixedWidthInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
        bytes.withUnsafeBytes { $0.number(offset, as: type) }
    }

    private func problem(_ reason: String) -> BBoltError { .corrupt(path: "", page: id, offset: 0, reason: reason) }

    /// Of a leaf or a branch.
    package func elements() throws(BBoltError) -> [Element] {
        do throws(PageProblem) { return try readElements() } catch { throw problem(error.reason) }
    }

    private func readElements() throws(PageProblem) -> [Element] {
        try Bytes(bytes).withUnsafeBytes { (buffer: UnsafeRawBufferPointer) throws(PageProblem) -> [Element] in
            let view = try PageView(id: id, bytes: buffer)
            var elements: [Element] = []
            for index in 0..<view.count {
                let key = Bytes(copying: try view.key(index))
                if !view.isLeaf {
                    elements.append(.child(key: key, page: view.child(index)))
                    continue
                }
                let value = try view.value(index)
                if view.flags(index) & PageLayout.bucketElementFlag == 0 {
                    elements.append(.pair(key: key, value: Bytes(copying: value)))
                } else if value.count >= PageLayout.bucketHeaderSize {
                    elements.append(.bucket(key: key, root: value.number(0), sequence: value.number(8)))
                } else {
                    throw PageProblem("a bucket's header is cut short")
                }
            }
            return elements
        }
    }

    /// Key and value of one element of a leaf, whatever they mean.
    /// - Parameter index: below `count`.
    package func leafElement(_ index: Int) throws(BBoltError) -> (key: Bytes, value: Bytes) {
        do throws(PageProblem) {
            return try Bytes(bytes).withUnsafeBytes { (buffer: UnsafeRawBufferPointer) throws(PageProblem) in
                let view = try PageView(id: id, bytes: buffer)
                return (Bytes(copying: try view.key(index)), Bytes(copying: try view.value(index)))
            }
        } catch {
            throw problem(error.reason)
        }
    }

    /// Of a freelist, in the order in which they stand there.
    package func freePages() throws(BBoltError) -> [UInt64] {
        var count = count
        var offset = PageLayout.headerSize
        if count == Int(PageLayout.manyFreePages) {
            count = Int(clamping: number(offset, as: UInt64.self))
            offset += 8
        }
        guard count <= (bytes.count - offset) / 8 else { throw problem("\(count) free pages do not fit") }
        return (0..<count).map { number(offset + $0 * 8) }
    }

    /// The fields of a meta, valid or not.
    package struct MetaFields: Sendable, Equatable {
        package var version: UInt32
        package var pageSize: UInt32
        package var flags: UInt32
        package var root: UInt64
        package var freelist: UInt64
        package var highWater: UInt64
        package var transaction: UInt64
        package var checksum: UInt64
    }

    package var meta: MetaFields {
        let start = PageLayout.headerSize
        return MetaFields(
            version: number(start + 4),
            pageSize: number(start + 8),
            flags: number(start + 12),
            root: number(start + 16),
            freelist: number(start + 32),
            highWater: number(start + 40),
            transaction: number(start + 48),
            checksum: number(start + 56)
        )
    }
}
