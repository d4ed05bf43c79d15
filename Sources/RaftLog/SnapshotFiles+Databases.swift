// Databases received from a leader, and the litter of interrupted work.

package import Base
package import FileIO

extension SnapshotFiles {
    /// Where a database received for the snapshot at `index` is kept.
    package func databasePath(index: LogIndex) -> String {
        path(paddedHexadecimal(index) + Self.databaseSuffix)
    }

    package func hasDatabase(index: LogIndex) throws(FileError) -> Bool {
        try fileSystem.exists(databasePath(index: index))
    }

    /// Where to receive a database; `number` tells apart several at once.
    package func temporaryPath(number: UInt64) -> String {
        path(Self.temporaryPrefix + String(number))
    }

    /// Gives a received, synchronized file its name. One that is there already is as good, and stays.
    package func installDatabase(from temporary: String, index: LogIndex) throws(FileError) {
        if try hasDatabase(index: index) {
            try fileSystem.remove(temporary)
        } else {
            try fileSystem.rename(temporary, to: databasePath(index: index))
        }
        try fileSystem.syncDirectory(directory)
    }

    /// Puts the database received for `index` in the place of `database`, durably.
    package func adoptDatabase(index: LogIndex, as database: String) throws(FileError) {
        try fileSystem.rename(databasePath(index: index), to: database)
        try fileSystem.syncDirectory(directory)
        let target = parentDirectory(of: database)
        if target != directory { try fileSystem.syncDirectory(target) }
    }

    /// Removes received databases of snapshots before `index`: nobody will adopt them. Returns their names.
    package func removeDatabases(before index: LogIndex) throws(FileError) -> [String] {
        try removeAll { name in
            guard name.hasSuffix(Self.databaseSuffix) else { return false }
            let digits = name.dropLast(Self.databaseSuffix.count)
            guard (1...16).contains(digits.utf8.count), digits.utf8.first != UInt8(ascii: "+"),
                let found = UInt64(digits, radix: 16)
            else { return false }
            return found < index
        }
    }

    /// Removes what interrupted receiving and defragmenting left. Only at the start, before either runs. Returns the
    /// names removed.
    package func removeTemporaries() throws(FileError) -> [String] {
        try removeAll { $0.hasPrefix(Self.temporaryPrefix) || $0.hasPrefix(Self.defragmentationPrefix) }
    }

    private func removeAll(_ isGarbage: (String) -> Bool) throws(FileError) -> [String] {
        let garbage = try fileSystem.list(directory).filter(isGarbage)
        for name in garbage { try fileSystem.remove(path(name)) }
        return garbage
    }
}
