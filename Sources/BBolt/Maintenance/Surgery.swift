// Operations on a damaged file that nobody has open: going back a commit, and forgetting or rebuilding the stored list
// of free pages. Each changes the file in place; whoever calls them has made a copy.

import Base
package import FileIO

package enum Surgery {
    /// Makes the state before the last commit the current one, by writing its meta over the later one.
    ///
    /// Only the last commit can be undone: the pages of older states may be in use again.
    /// - Returns: the transaction of the state that is current afterwards.
    package static func revertMeta(_ path: String, fileSystem: any FileSystem) throws(BBoltError) -> UInt64 {
        try onLockedFile(path, fileSystem) { (file, metas) throws(BBoltError) in
            guard metas.count == 2, let (place, older) = metas.min(by: { $0.meta.transaction < $1.meta.transaction })
            else {
                throw .noValidMeta(path: path, reason: "there is no second meta page to go back to")
            }
            try write(older, at: 1 - place, file)
            return older.transaction
        }
    }

    /// Forgets the stored freelist, in both states: the next opening finds the free pages by walking the tree.
    package static func abandonFreelist(_ path: String, fileSystem: any FileSystem) throws(BBoltError) {
        try onLockedFile(path, fileSystem) { (file, metas) throws(BBoltError) in
            // The current one last: a crash between the two leaves it as it was.
            for (place, meta) in metas.sorted(by: { $0.meta.transaction < $1.meta.transaction }) {
                var meta = meta
                meta.freelist = Meta.noFreelist
                try write(meta, at: place, file)
            }
        }
    }

    /// Stores a freelist made by walking the tree, in place of any stored one. The tree must be whole.
    package static func rebuildFreelist(
        _ path: String,
        fileSystem: any FileSystem,
        options: DatabaseOptions = DatabaseOptions()
    ) throws(BBoltError) {
        try abandonFreelist(path, fileSystem: fileSystem)
        var options = options
        options.storesFreelist = true
        let database = try Database.open(path, fileSystem: fileSystem, options: options)
        defer { database.close() }
        try database.beginWrite().commit()
    }

    /// Puts a copy of one page, with its overflow pages, in another's place.
    package static func copyPage(
        _ path: String,
        from source: UInt64,
        to target: UInt64,
        fileSystem: any FileSystem
    ) throws(BBoltError) {
        let inspection = try PageInspection(path, fileSystem: fileSystem)
        defer { inspection.close() }
        var bytes = try inspection.page(source).bytes
        bytes.store(target, at: 0)
        let file = try onFile { () throws(FileError) in try fileSystem.open(path, .readWrite) }
        defer { file.close() }
        if try !onFile({ () throws(FileError) in try file.tryLock() }) { throw .locked(path: path) }
        let size = try onFile { () throws(FileError) in try file.size() }
        let offset = target.multipliedReportingOverflow(by: UInt64(inspection.pageSize))
        guard !offset.overflow, offset.partialValue < size, UInt64(bytes.count) <= size - offset.partialValue else {
            throw .corrupt(path: path, page: target, offset: 0, reason: "beyond the file's end")
        }
        try onFile { () throws(FileError) in
            try file.write(Bytes(bytes), at: offset.partialValue)
            try file.synchronizeData()
        }
    }

    private typealias PlacedMeta = (place: UInt64, meta: Meta)

    /// Gives the file and its valid metas with the page each lies on.
    private static func onLockedFile<R>(
        _ path: String,
        _ fileSystem: any FileSystem,
        _ body: (any File, [PlacedMeta]) throws(BBoltError) -> R
    ) throws(BBoltError) -> R {
        let file = try onFile { () throws(FileError) in try fileSystem.open(path, .readWrite) }
        defer { file.close() }
        let isLocked = try onFile { () throws(FileError) in try file.tryLock() }
        if !isLocked { throw .locked(path: path) }
        let size = try onFile { () throws(FileError) in try file.size() }
        let current = try MetaPages.current(file, path, size)
        var metas: [PlacedMeta] = []
        for place: UInt64 in 0...1 {
            let found = try MetaPages.read(file, at: place * UInt64(current.pageSize))
            if case .success(let meta) = found, meta.isPlausible, meta.pageSize == current.pageSize {
                metas.append((place, meta))
            }
        }
        return try body(file, metas)
    }

    private static func write(_ meta: Meta, at place: UInt64, _ file: any File) throws(BBoltError) {
        try onFile { () throws(FileError) in
            try file.write(Bytes(meta.page(size: Int(meta.pageSize), id: place)), at: place * UInt64(meta.pageSize))
            try file.synchronizeData()
        }
    }
}
