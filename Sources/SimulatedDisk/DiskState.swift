// The whole of a simulated disk as one value: nodes, names, open handles, and the count of operations.
//
// A changing operation does its visible work first and only then reports a power failure planned for it: whether that
// work survives is for the dice of `afterPowerFailure`, as for everything else that is not synchronized.

import Base
import FileIO

struct DiskState {
    static let root = 0

    struct Handle {
        var node: Int
        var path: String
        var writable: Bool
    }

    var random: SeededRandom
    var faults: DiskFaults
    var powerIsOff = false
    var operationCount = 0
    var synchronizationCount = 0
    var writeCount = 0
    /// The names of the operations so far, if somebody asked for them.
    var trace: [String]?

    var files: [Int: FileNode] = [:]
    var directories: [Int: DirectoryNode] = [DiskState.root: DirectoryNode(mode: 0o755)]
    var pendingChanges: [NameChange] = []
    var handles: [Int: Handle] = [:]
    private var lastNumber = DiskState.root

    init(random: SeededRandom, faults: DiskFaults) {
        self.random = random
        self.faults = faults
    }

    /// A number no node, handle or view has had.
    mutating func newNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    // MARK: Counting

    /// Counts a changing operation. True if the power fails in it: the caller does its visible work, then throws.
    mutating func begin(_ operation: String, _ path: String) throws(FileError) -> Bool {
        if powerIsOff { throw .powerFailure(operation, path) }
        operationCount += 1
        trace?.append("\(operation) \(path)")
        if operationCount == faults.powerFailsAtOperation { powerIsOff = true }
        return powerIsOff
    }

    /// Counts a synchronization. True if it is to fail.
    mutating func beginSynchronization() -> Bool {
        synchronizationCount += 1
        return synchronizationCount == faults.failingSynchronization
    }

    func requirePower(_ operation: String, _ path: String) throws(FileError) {
        if powerIsOff { throw .powerFailure(operation, path) }
    }

    /// The bytes still free, if the disk has a size.
    var freeBytes: Int {
        guard let capacity = faults.capacityBytes else { return Int.max }
        return max(0, Int(capacity) - files.values.reduce(0) { $0 + $1.visible.size })
    }

    // MARK: Names

    func components(_ path: String) -> [Substring] {
        path.split(separator: "/").filter { $0 != "." }
    }

    /// The node a path names, if any.
    func node(at path: String) -> Int? {
        var current = Self.root
        for component in components(path) {
            guard let next = directories[current]?.visible[String(component)] else { return nil }
            current = next
        }
        return current
    }

    /// The directory that holds the last name of `path`, and that name.
    func parent(of path: String, _ operation: String) throws(FileError) -> (directory: Int, name: String) {
        var rest = components(path)
        guard let name = rest.popLast() else { throw FileError(operation, path, .isDirectory) }
        var current = Self.root
        for component in rest {
            guard let next = directories[current]?.visible[String(component)] else {
                throw FileError(operation, path, .notFound)
            }
            guard directories[next] != nil else { throw FileError(operation, path, .notADirectory) }
            current = next
        }
        return (current, String(name))
    }

    mutating func link(_ node: Int, in directory: Int, as name: String) {
        directories[directory]?.visible[name] = node
        pendingChanges.append(.link(directory: directory, name: name, node: node))
    }

    mutating func unlink(_ name: String, in directory: Int) {
        directories[directory]?.visible[name] = nil
        pendingChanges.append(.unlink(directory: directory, name: name))
    }

    mutating func synchronizeNames(of directory: Int) {
        let covered = pendingChanges.filter { $0.touches(directory) }
        pendingChanges.removeAll { $0.touches(directory) }
        for change in covered { apply(change) }
        collectGarbage()
    }

    /// Does a change to the durable names. A change whose ground is gone does nothing.
    mutating func apply(_ change: NameChange) {
        switch change {
        case .link(let directory, let name, let node):
            directories[directory]?.durable[name] = node
        case .unlink(let directory, let name):
            directories[directory]?.durable[name] = nil
        case .rename(let source, let sourceName, let target, let targetName, let node):
            if directories[source]?.durable[sourceName] == node { directories[source]?.durable[sourceName] = nil }
            directories[target]?.durable[targetName] = node
        }
    }

    /// Forgets nodes that no name, no pending change and no handle leads to.
    mutating func collectGarbage() {
        var live: Set<Int> = [Self.root]
        live.formUnion(handles.values.map(\.node))
        live.formUnion(pendingChanges.compactMap(\.node))
        var unvisited = Array(live)
        while let node = unvisited.popLast() {
            guard let directory = directories[node] else { continue }
            for next in [directory.visible.values, directory.durable.values].joined() where live.insert(next).inserted {
                unvisited.append(next)
            }
        }
        files = files.filter { live.contains($0.key) }
        directories = directories.filter { live.contains($0.key) }
    }
}

/// The system's errors this disk reports: Linux's numbers and words.
enum Reason {
    case notFound, inputOutput, badDescriptor, exists, notADirectory, isDirectory, noSpace, notEmpty

    var number: Int32 {
        switch self {
        case .notFound: 2
        case .inputOutput: 5
        case .badDescriptor: 9
        case .exists: 17
        case .notADirectory: 20
        case .isDirectory: 21
        case .noSpace: 28
        case .notEmpty: 39
        }
    }

    var words: String {
        switch self {
        case .notFound: "no such file or directory"
        case .inputOutput: "input/output error"
        case .badDescriptor: "bad file descriptor"
        case .exists: "file exists"
        case .notADirectory: "not a directory"
        case .isDirectory: "is a directory"
        case .noSpace: "no space left on device"
        case .notEmpty: "directory not empty"
        }
    }
}

extension FileError {
    init(_ operation: String, _ path: String, _ reason: Reason) {
        self.init(operation: operation, path: path, number: reason.number, reason: reason.words)
    }

    static func powerFailure(_ operation: String, _ path: String) -> FileError {
        FileError(operation: operation, path: path, number: 0, reason: "the simulated power is off")
    }
}
