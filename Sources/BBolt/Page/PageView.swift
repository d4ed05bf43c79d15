// One page of the mapped file, seen through bounds checks. Whatever the bytes say, nothing outside the page is read.

import Base

/// A branch or leaf page. Cheap to make and copy; valid while its transaction lives.
struct PageView {
    let id: PageID
    /// The page and its overflow pages, or an inline bucket's image.
    let bytes: UnsafeRawBufferPointer
    let count: Int
    let isLeaf: Bool

    /// - Parameter bytes: at least a header long.
    init(id: PageID, bytes: UnsafeRawBufferPointer) throws(PageProblem) {
        let flags: UInt16 = bytes.number(8)
        let kind = flags & (PageLayout.branchFlag | PageLayout.leafFlag)
        guard kind == PageLayout.branchFlag || kind == PageLayout.leafFlag else {
            throw PageProblem("page type \(String(flags, radix: 16)) where a branch or leaf belongs")
        }
        self.id = id
        self.bytes = bytes
        count = Int(bytes.number(10, as: UInt16.self))
        isLeaf = kind == PageLayout.leafFlag
        guard PageLayout.headerSize + count * PageLayout.elementSize <= bytes.count else {
            throw PageProblem("\(count) elements do not fit")
        }
        guard isLeaf || count > 0 else { throw PageProblem("an empty branch") }
    }

    @inline(__always)
    private func element(_ index: Int) -> Int { PageLayout.headerSize + index * PageLayout.elementSize }

    @inline(__always)
    private func slice(_ start: Int, _ length: Int) throws(PageProblem) -> UnsafeRawBufferPointer {
        guard start >= 0, length >= 0, start <= bytes.count, length <= bytes.count - start, let base = bytes.baseAddress else {
            throw PageProblem("an element reaches outside the page")
        }
        return UnsafeRawBufferPointer(start: base + start, count: length)
    }

    /// - Parameter index: below `count`.
    @inline(__always)
    func key(_ index: Int) throws(PageProblem) -> UnsafeRawBufferPointer {
        let at = element(index)
        return isLeaf
            ? try slice(at + Int(bytes.number(at + 4, as: UInt32.self)), Int(bytes.number(at + 8, as: UInt32.self)))
            : try slice(at + Int(bytes.number(at, as: UInt32.self)), Int(bytes.number(at + 4, as: UInt32.self)))
    }

    @inline(__always)
    func value(_ index: Int) throws(PageProblem) -> UnsafeRawBufferPointer {
        let at = element(index)
        let position = Int(bytes.number(at + 4, as: UInt32.self)), keySize = Int(bytes.number(at + 8, as: UInt32.self))
        return try slice(at + position + keySize, Int(bytes.number(at + 12, as: UInt32.self)))
    }

    @inline(__always)
    func flags(_ index: Int) -> UInt32 { bytes.number(element(index)) }

    @inline(__always)
    func child(_ index: Int) -> PageID { bytes.number(element(index) + 8) }

    /// The first index whose key is not below `key`; `count` if there is none.
    func lowerBound(_ key: UnsafeRawBufferPointer) throws(PageProblem) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) >> 1
            if compareBytes(try self.key(middle), key) < 0 { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// In a branch: the child that would hold `key`.
    func childIndex(for key: UnsafeRawBufferPointer) throws(PageProblem) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) >> 1
            if compareBytes(try self.key(middle), key) <= 0 { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }
}

struct PageProblem: Error {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}
