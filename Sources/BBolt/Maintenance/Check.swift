// The consistency check: what `bbolt check` looks for. Problems are collected, not thrown.

import Base

extension ReadTransaction {
    /// What is wrong with this state; empty if nothing is. Reads every page.
    package func check() -> [String] {
        var problems: [String] = []
        var walk = PageWalk(source)
        do throws(BBoltError) {
            try walk.walk()
            try checkFreelist(walk, &problems)
        } catch {
            // Without a tree to rely on the rest could go on without end.
            return [error.description]
        }
        checkOrder(of: BucketRoot(page: source.meta.root, sequence: 0), name: "root", depth: 0, &problems)
        return problems
    }

    /// A stored freelist names just the pages that are not reached.
    private func checkFreelist(_ walk: PageWalk, _ problems: inout [String]) throws(BBoltError) {
        guard source.meta.freelist != Meta.noFreelist else { return }
        var free = try FreelistPage.read(source)[...]
        for page in 2..<source.meta.highWater {
            let isFree = free.first == page
            if isFree { free.removeFirst() }
            switch (isFree, walk.isReached(page)) {
            case (true, true): problems.append("page \(page): reachable freed")
            case (false, false): problems.append("page \(page): unreachable unfreed")
            default: continue
            }
        }
    }

    private func checkOrder(of root: BucketRoot, name: String, depth: Int, _ problems: inout [String]) {
        guard depth < PageLayout.depthMax else { return problems.append("bucket \(name): nested too deeply") }
        do throws(BBoltError) {
            let view = try root.view(in: source)
            try checkPage(view, above: nil, below: nil, name, depth, &problems)
        } catch {
            problems.append("bucket \(name): \(error)")
        }
    }

    /// Keys ascend, and stay within what the parent promises.
    private func checkPage(
        _ page: PageView, above lower: UnsafeRawBufferPointer?, below upper: UnsafeRawBufferPointer?, _ name: String, _ depth: Int,
        _ problems: inout [String]
    ) throws(BBoltError) {
        guard depth < PageLayout.depthMax else { throw source.problem(page.id, "the tree is too deep: it has a cycle") }
        var previous: UnsafeRawBufferPointer?
        for index in 0..<page.count {
            let key = try source.look(page) { (page) throws(PageProblem) in try page.key(index) }
            if let previous, compareBytes(previous, key) >= 0 {
                problems.append("bucket \(name): page \(page.id): key \(index) is not above the one before it")
            }
            if index == 0, let lower, compareBytes(key, lower) < 0 {
                problems.append("bucket \(name): page \(page.id): its first key is below its parent's key")
            }
            if let upper, compareBytes(key, upper) >= 0 {
                problems.append("bucket \(name): page \(page.id): key \(index) belongs on a later page")
            }
            previous = key
        }
        if page.isLeaf {
            for index in 0..<page.count where page.flags(index) & PageLayout.bucketElementFlag != 0 {
                let key = try source.look(page) { (page) throws(PageProblem) in try page.key(index) }
                let value = try source.look(page) { (page) throws(PageProblem) in try page.value(index) }
                let root = try BucketRoot(value: value, in: source, page: page.id)
                checkOrder(of: root, name: Bytes(copying: key).description, depth: depth + 1, &problems)
            }
            return
        }
        for index in 0..<page.count {
            let key = try source.look(page) { (page) throws(PageProblem) in try page.key(index) }
            let next = index + 1 < page.count ? try source.look(page) { (page) throws(PageProblem) in try page.key(index + 1) } : upper
            try checkPage(try source.page(page.child(index)), above: key, below: next, name, depth + 1, &problems)
        }
    }
}
