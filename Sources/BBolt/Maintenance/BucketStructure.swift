// Which buckets lie in which, and how many keys each has: what `bbolt inspect` shows.

package import Base

package struct BucketStructure: Sendable, Equatable {
    package var name: Bytes
    /// Pairs of its own; buckets are none.
    package var pairs: Int
    package var children: [BucketStructure]

    package init(name: Bytes, pairs: Int, children: [BucketStructure]) {
        self.name = name
        self.pairs = pairs
        self.children = children
    }
}

extension ReadTransaction {
    /// The buckets of the file, in the order of their names, below one that is called "root".
    package func structure() throws(BBoltError) -> BucketStructure {
        var root = BucketStructure(name: "root", pairs: 0, children: [])
        for name in try bucketNames() {
            if let bucket = try bucket(name) { root.children.append(try bucket.structure(name, nesting: 1)) }
        }
        return root
    }
}

extension ReadBucket {
    fileprivate func structure(_ name: Bytes, nesting: Int) throws(BBoltError) -> BucketStructure {
        guard nesting < PageLayout.depthMax else { throw transaction.source.problem(root.page, "buckets nest too deeply") }
        var found = BucketStructure(name: name, pairs: 0, children: [])
        var cursor = cursor()
        var isThere = try cursor.first()
        while isThere {
            if cursor.isBucket {
                found.children.append(try cursor.bucket().structure(Bytes(copying: cursor.key), nesting: nesting + 1))
            } else {
                found.pairs += 1
            }
            isThere = try cursor.next()
        }
        return found
    }
}
