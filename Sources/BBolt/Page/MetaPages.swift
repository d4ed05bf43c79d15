// Finding the meta that counts in a file whose page size is not known yet.

import Base
import FileIO

enum MetaPages {
    /// The largest page size whose second meta is looked for when the first is damaged.
    private static let searchEnd: UInt64 = 16 << 20

    static func read(_ file: any File, at offset: UInt64) throws(BBoltError) -> Result<Meta, MetaProblem> {
        let bytes = try onFile { () throws(FileError) in
            try file.read(count: PageLayout.headerSize + PageLayout.metaSize, at: offset)
        }
        return bytes.withUnsafeBytes { Meta.read($0) }
    }

    /// The valid meta of the later transaction.
    static func current(_ file: any File, _ path: String, _ size: UInt64) throws(BBoltError) -> Meta {
        var found: [Meta] = []
        var reason = "invalid database"
        switch try read(file, at: 0) {
        case .success(let first): found.append(first)
        case .failure(let problem): reason = problem.reason
        }
        // The second meta is one page in, of a size the first may no longer tell.
        if let first = found.first, first.isPlausible {
            if case .success(let second) = try read(file, at: UInt64(first.pageSize)) { found.append(second) }
        } else {
            var offset: UInt64 = 512
            while offset <= searchEnd, offset < size {
                if case .success(let second) = try read(file, at: offset), UInt64(second.pageSize) == offset {
                    found.append(second)
                    break
                }
                offset *= 2
            }
        }
        guard let latest = found.filter(\.isPlausible).max(by: { $0.transaction < $1.transaction }) else {
            throw .noValidMeta(path: path, reason: reason)
        }
        return latest
    }
}
