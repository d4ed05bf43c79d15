// What a simulated disk keeps: files with a visible and a durable state, directories likewise, and the changes between.

/// A file. Reads see `visible`; a power failure leaves `durable` and, by dice, some of the dirty sectors.
struct FileNode {
    /// Memory that `File.map` gave out and that later writes must show in. Kept as an address, for pointers can't be
    /// sent between threads and the whole state lives in a mutex.
    struct View {
        var id: Int
        var address: UInt
        var length: Int
    }

    var mode: UInt16
    var visible = FileContents()
    var durable = FileContents()
    /// Sectors that differ, or may differ, from their durable state.
    var dirtySectors: Set<Int> = []
    /// Sectors whose synchronization failed: clean to the system, and yet not durable.
    var abandonedSectors: Set<Int> = []
    var views: [View] = []
    /// The handle that holds the exclusive lock.
    var lockHolder: Int?

    mutating func write(_ source: UnsafeRawBufferPointer, at offset: Int) {
        guard source.count > 0 else { return }
        if offset > visible.size { resize(to: offset) }
        visible.write(source, at: offset)
        for sector in offset / FileContents.sectorSize...(offset + source.count - 1) / FileContents.sectorSize {
            dirtySectors.insert(sector)
            abandonedSectors.remove(sector)
        }
        for view in views { view.show(source, at: offset) }
    }

    mutating func resize(to size: Int) {
        let before = visible.size
        if size < before { dirtySectors.formUnion(visible.storedSectors(from: size)) }
        visible.resize(to: size)
        if size > before {
            for view in views { view.clear(before..<size) }
        }
    }

    /// Everything visible becomes durable, save what an earlier failure made the system forget.
    mutating func synchronize() {
        durable.resize(to: visible.size)
        let perBlock = FileContents.blockSize / FileContents.sectorSize
        for block in Set(dirtySectors.map { $0 / perBlock }) {
            let sectors = block * perBlock..<(block + 1) * perBlock
            if sectors.contains(where: { abandonedSectors.contains($0) }) {
                for sector in sectors where !abandonedSectors.contains(sector) {
                    durable.setSector(sector, visible.sector(sector))
                }
            } else {
                durable.takeBlock(block, from: visible)
            }
        }
        dirtySectors = []
    }

    mutating func failSynchronization() {
        abandonedSectors.formUnion(dirtySectors)
        dirtySectors = []
    }
}

extension FileNode.View {
    private var memory: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(bitPattern: address), count: length)
    }

    func show(_ source: UnsafeRawBufferPointer, at offset: Int) {
        guard offset < length else { return }
        let count = min(source.count, length - offset)
        UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[0..<count]))
    }

    func clear(_ range: Range<Int>) {
        let inside = range.clamped(to: 0..<length)
        guard !inside.isEmpty else { return }
        UnsafeMutableRawBufferPointer(rebasing: memory[inside]).initializeMemory(as: UInt8.self, repeating: 0)
    }
}

/// A directory: names as programs see them, and as a power failure would leave them.
struct DirectoryNode {
    var mode: UInt16
    var visible: [String: Int] = [:]
    var durable: [String: Int] = [:]
}

/// A change of names that no directory synchronization covers yet.
enum NameChange {
    case link(directory: Int, name: String, node: Int)
    case unlink(directory: Int, name: String)
    case rename(source: Int, sourceName: String, target: Int, targetName: String, node: Int)

    /// The directories whose synchronization makes it durable: either does for a rename, which is one journal entry.
    func touches(_ directory: Int) -> Bool {
        switch self {
        case .link(let changed, _, _), .unlink(let changed, _): changed == directory
        case .rename(let source, _, let target, _, _): source == directory || target == directory
        }
    }

    /// The directory whose dice decide whether the change survives a power failure.
    var directory: Int {
        switch self {
        case .link(let directory, _, _), .unlink(let directory, _): directory
        case .rename(_, _, let target, _, _): target
        }
    }

    /// The node the change keeps reachable.
    var node: Int? {
        switch self {
        case .link(_, _, let node), .rename(_, _, _, _, let node): node
        case .unlink: nil
        }
    }
}
