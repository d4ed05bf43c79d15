// One open file of the simulated disk.

package import Base
package import FileIO
import Synchronization

/// A handle on a file; the file itself lives in the disk's state.
package final class SimulatedFile: File {
    package let path: String
    private let disk: SimulatedDisk
    private let handle: Int

    init(disk: SimulatedDisk, path: String, handle: Int) {
        self.disk = disk
        self.path = path
        self.handle = handle
    }

    deinit { close() }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        nonisolated(unsafe) let target = buffer  // used only before this call returns
        return try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, "read", path, writing: false)
            guard let start = Int(exactly: offset) else { return 0 }
            return state.files[number]?.visible.read(into: target, at: start) ?? 0
        }
    }

    package func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        nonisolated(unsafe) let source = buffer  // used only before this call returns
        try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, "write", path, writing: true)
            let cut = try state.begin("write", path)
            state.writeCount += 1
            var count = source.count
            var failure: Reason?
            let growth = Int(offset) + count - (state.files[number]?.visible.size ?? 0)
            if growth > state.freeBytes {
                count = max(0, count - (growth - state.freeBytes))
                failure = .noSpace
            }
            if state.writeCount == state.faults.failingWrite {
                count = count == 0 ? 0 : Int(state.random.next() % UInt64(count))
                failure = .inputOutput
            }
            state.files[number]?.write(UnsafeRawBufferPointer(rebasing: source[0..<count]), at: Int(offset))
            if cut { throw .powerFailure("write", path) }
            if let failure { throw FileError("write", path, failure) }
        }
    }

    package func write(_ pieces: [Bytes], at offset: UInt64) throws(FileError) {
        var joined: [UInt8] = []
        for piece in pieces { piece.withUnsafeBytes { joined.append(contentsOf: $0) } }
        try Bytes(joined).withUnsafeBytes { (buffer) throws(FileError) in try write(buffer, at: offset) }
    }

    package func synchronizeData() throws(FileError) {
        try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, "fdatasync", path, writing: false)
            if try state.begin("fdatasync", path) { throw .powerFailure("fdatasync", path) }
            if state.beginSynchronization() {
                state.files[number]?.failSynchronization()
                throw FileError("fdatasync", path, .inputOutput)
            }
            state.files[number]?.synchronize()
        }
    }

    package func size() throws(FileError) -> UInt64 {
        try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, "stat", path, writing: false)
            return UInt64(state.files[number]?.visible.size ?? 0)
        }
    }

    package func truncate(to size: UInt64) throws(FileError) {
        try resize("truncate", to: size, shrinking: true)
    }

    package func preallocate(to size: UInt64) throws(FileError) {
        try resize("fallocate", to: size, shrinking: false)
    }

    private func resize(_ operation: String, to size: UInt64, shrinking: Bool) throws(FileError) {
        try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, operation, path, writing: true)
            let cut = try state.begin(operation, path)
            let before = state.files[number]?.visible.size ?? 0
            // A longer file of holes needs no room; preallocation does.
            if !shrinking && Int(size) - before > state.freeBytes { throw FileError(operation, path, .noSpace) }
            if shrinking || Int(size) > before { state.files[number]?.resize(to: Int(size)) }
            if cut { throw .powerFailure(operation, path) }
        }
    }

    package func tryLock() throws(FileError) -> Bool {
        try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, "flock", path, writing: false)
            if let holder = state.files[number]?.lockHolder, holder != handle { return false }
            state.files[number]?.lockHolder = handle
            return true
        }
    }

    package func unlock() throws(FileError) {
        try disk.state.withLock { (state) throws(FileError) in
            let number = try state.number(of: handle, "flock", path, writing: false)
            if state.files[number]?.lockHolder == handle { state.files[number]?.lockHolder = nil }
        }
    }

    package func map(length: Int) throws(FileError) -> MappedRegion {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: FileContents.blockSize)
        let address = UInt(bitPattern: memory.baseAddress)
        let identity: (node: Int, view: Int)
        do throws(FileError) {
            identity = try disk.state.withLock { (state) throws(FileError) in
                let number = try state.number(of: handle, "mmap", path, writing: false)
                let view = FileNode.View(id: state.newNumber(), address: address, length: length)
                let start = UnsafeMutableRawPointer(bitPattern: address)
                _ = state.files[number]?.visible.read(
                    into: UnsafeMutableRawBufferPointer(start: start, count: length),
                    at: 0
                )
                state.files[number]?.views.append(view)
                return (number, view.id)
            }
        } catch {
            memory.deallocate()
            throw error
        }
        let disk = disk
        return MappedRegion(bytes: UnsafeRawBufferPointer(memory)) { region in
            disk.state.withLock { $0.files[identity.node]?.views.removeAll { $0.id == identity.view } }
            region.deallocate()
        }
    }

    package func close() {
        disk.state.withLock { state in
            guard let closed = state.handles.removeValue(forKey: handle) else { return }
            if state.files[closed.node]?.lockHolder == handle { state.files[closed.node]?.lockHolder = nil }
        }
    }
}

extension DiskState {
    /// The node behind an open handle.
    fileprivate func number(of handle: Int, _ operation: String, _ path: String, writing: Bool) throws(FileError) -> Int
    {
        try requirePower(operation, path)
        guard let open = handles[handle], !writing || open.writable else {
            throw FileError(operation, path, .badDescriptor)
        }
        return open.node
    }
}
