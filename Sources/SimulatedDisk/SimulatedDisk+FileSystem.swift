// Names on the simulated disk: opening, directories, renaming, removing.

package import FileIO
import Synchronization

extension SimulatedDisk {
    package func open(_ path: String, _ options: OpenOptions) throws(FileError) -> any File {
        let handle = try state.withLock { (state) throws(FileError) -> Int in
            try state.requirePower("open", path)
            let existing = state.node(at: path)
            if let existing, state.directories[existing] != nil { throw FileError("open", path, .isDirectory) }
            if existing != nil && options.create && options.exclusive { throw FileError("open", path, .exists) }
            var cut = false
            let number: Int
            if let existing {
                number = existing
                if options.truncate && options.write {
                    cut = try state.begin("truncate", path)
                    state.files[number]?.resize(to: 0)
                }
            } else {
                let (directory, name) = try state.parent(of: path, "open")
                guard options.create else { throw FileError("open", path, .notFound) }
                cut = try state.begin("create", path)
                number = state.newNumber()
                state.files[number] = FileNode(mode: options.mode)
                state.link(number, in: directory, as: name)
            }
            if cut { throw .powerFailure("open", path) }
            let handle = state.newNumber()
            state.handles[handle] = DiskState.Handle(node: number, path: path, writable: options.write)
            return handle
        }
        return SimulatedFile(disk: self, path: path, handle: handle)
    }

    package func createDirectory(_ path: String, mode: UInt16) throws(FileError) {
        try state.withLock { (state) throws(FileError) in
            try state.requirePower("mkdir", path)
            var current = DiskState.root
            for component in state.components(path) {
                if let next = state.directories[current]?.visible[String(component)] {
                    guard state.directories[next] != nil else { throw FileError("mkdir", path, .notADirectory) }
                    current = next
                    continue
                }
                let cut = try state.begin("mkdir", path)
                let number = state.newNumber()
                state.directories[number] = DirectoryNode(mode: mode)
                state.link(number, in: current, as: String(component))
                current = number
                if cut { throw .powerFailure("mkdir", path) }
            }
        }
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        try state.withLock { (state) throws(FileError) in
            try state.requirePower("open", path)
            guard let number = state.node(at: path) else { throw FileError("open", path, .notFound) }
            guard let directory = state.directories[number] else { throw FileError("open", path, .notADirectory) }
            return directory.visible.keys.sorted()
        }
    }

    package func status(_ path: String) throws(FileError) -> FileStatus? {
        try state.withLock { (state) throws(FileError) in
            try state.requirePower("stat", path)
            guard let number = state.node(at: path) else { return nil }
            if let file = state.files[number] {
                return FileStatus(isDirectory: false, sizeBytes: UInt64(file.visible.size), mode: file.mode)
            }
            return FileStatus(isDirectory: true, sizeBytes: 0, mode: state.directories[number]?.mode ?? 0)
        }
    }

    package func rename(_ source: String, to target: String) throws(FileError) {
        let both = "\(source) \(target)"
        try state.withLock { (state) throws(FileError) in
            try state.requirePower("rename", both)
            let (sourceDirectory, sourceName) = try state.parent(of: source, "rename")
            let (targetDirectory, targetName) = try state.parent(of: target, "rename")
            guard let node = state.directories[sourceDirectory]?.visible[sourceName] else {
                throw FileError("rename", both, .notFound)
            }
            if let replaced = state.directories[targetDirectory]?.visible[targetName], replaced != node {
                let isDirectory = state.directories[node] != nil
                if let there = state.directories[replaced] {
                    if !isDirectory { throw FileError("rename", both, .isDirectory) }
                    if !there.visible.isEmpty { throw FileError("rename", both, .notEmpty) }
                } else if isDirectory {
                    throw FileError("rename", both, .notADirectory)
                }
            }
            let cut = try state.begin("rename", both)
            state.directories[sourceDirectory]?.visible[sourceName] = nil
            state.directories[targetDirectory]?.visible[targetName] = node
            state.pendingChanges.append(
                .rename(
                    source: sourceDirectory,
                    sourceName: sourceName,
                    target: targetDirectory,
                    targetName: targetName,
                    node: node
                )
            )
            if cut { throw .powerFailure("rename", both) }
        }
    }

    package func remove(_ path: String) throws(FileError) {
        try state.withLock { (state) throws(FileError) in
            try state.requirePower("remove", path)
            let (directory, name) = try state.parent(of: path, "remove")
            guard let node = state.directories[directory]?.visible[name] else {
                throw FileError("remove", path, .notFound)
            }
            if let there = state.directories[node], !there.visible.isEmpty {
                throw FileError("remove", path, .notEmpty)
            }
            let cut = try state.begin("remove", path)
            state.unlink(name, in: directory)
            if cut { throw .powerFailure("remove", path) }
        }
    }

    package func removeTree(_ path: String) throws(FileError) {
        guard let status = try status(path) else { return }
        if status.isDirectory {
            for name in try list(path) { try removeTree(path + "/" + name) }
        }
        try remove(path)
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try state.withLock { (state) throws(FileError) in
            try state.requirePower("fsync", path)
            guard let number = state.node(at: path), state.directories[number] != nil else {
                throw FileError("open", path, .notFound)
            }
            if try state.begin("fsync", path) { throw .powerFailure("fsync", path) }
            if state.beginSynchronization() { throw FileError("fsync", path, .inputOutput) }
            state.synchronizeNames(of: number)
        }
    }
}
