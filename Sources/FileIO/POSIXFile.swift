// One open file of the operating system.

import Base
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

final class POSIXFile: File {
    let path: String
    /// -1 once closed.
    private let descriptor: Atomic<Int32>

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = Atomic(descriptor)
    }

    deinit { close() }

    private var open: Int32 { descriptor.load(ordering: .relaxed) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = retrying { pread(open, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset) + done) }
            if count < 0 { throw systemError("read", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        var done = 0
        while done < buffer.count {
            let count = retrying { pwrite(open, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset) + done) }
            if count < 0 { throw systemError("write", path) }
            done += count
        }
    }

    func write(_ pieces: [Bytes], at offset: UInt64) throws(FileError) {
        // One copy into one buffer and one call: the pieces are frames of a few hundred bytes, for which gathering
        // costs the system more than copying costs us.
        if pieces.count == 1, let only = pieces.first {
            return try only.withUnsafeBytes { (buffer) throws(FileError) in try write(buffer, at: offset) }
        }
        var joined: [UInt8] = []
        joined.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
        for piece in pieces { piece.withUnsafeBytes { joined.append(contentsOf: $0) } }
        try joined.withUnsafeBufferPointer { (buffer) throws(FileError) in
            try write(UnsafeRawBufferPointer(buffer), at: offset)
        }
    }

    func synchronizeData() throws(FileError) {
        if retrying({ fdatasync(open) }) != 0 { throw systemError("fdatasync", path) }
    }

    func size() throws(FileError) -> UInt64 {
        var information = stat()
        if fstat(open, &information) != 0 { throw systemError("stat", path) }
        return UInt64(information.st_size)
    }

    func truncate(to size: UInt64) throws(FileError) {
        if retrying({ ftruncate(open, off_t(size)) }) != 0 { throw systemError("truncate", path) }
    }

    func preallocate(to size: UInt64) throws(FileError) {
        let number = posix_fallocate(open, 0, off_t(size))
        switch number {
        case 0: return
        case EINTR: try preallocate(to: size)
        case EOPNOTSUPP, EINVAL, ENOTSUP:
            // A file system without reservation: a longer file of holes is the next best.
            if try self.size() < size { try truncate(to: size) }
        default: throw systemError("fallocate", path, number)
        }
    }

    func bypassCache(_ bypasses: Bool) -> Bool {
        #if os(Linux)
        let flags = fcntl(open, F_GETFL)
        guard flags >= 0 else { return false }
        let wanted = bypasses ? flags | Self.direct : flags & ~Self.direct
        return fcntl(open, F_SETFL, wanted) == 0 && bypasses
        #else
        return false
        #endif
    }

    func tryLock() throws(FileError) -> Bool {
        // Go's bbolt takes the one kind of lock, Go's write-ahead log the other; they don't see each other.
        if retrying({ flock(open, LOCK_EX | LOCK_NB) }) != 0 {
            if errno == EWOULDBLOCK { return false }
            throw systemError("flock", path)
        }
        if setRecordLock(F_WRLCK) { return true }
        let isHeld = errno == EAGAIN || errno == EACCES
        // Read-only descriptors and some file systems can't have this kind: the other has to do.
        if isHeld { try unlock() }
        return !isHeld
    }

    func unlock() throws(FileError) {
        _ = setRecordLock(F_UNLCK)
        if retrying({ flock(open, LOCK_UN) }) != 0 { throw systemError("flock", path) }
    }

    /// Linux's F_OFD_SETLK, the same on all its architectures; the C library's headers hide it from Swift.
    private static let setOpenFileLock: Int32 = 37

    #if arch(arm64) || arch(arm) || arch(powerpc64le)
    /// Linux's O_DIRECT on this architecture; the C library's headers hide it from Swift.
    private static let direct: Int32 = 0o200000
    #else
    /// Linux's O_DIRECT; the C library's headers hide it from Swift.
    private static let direct: Int32 = 0o40000
    #endif

    /// Sets or clears the record lock on the whole file that belongs to this open file, not to the process.
    private func setRecordLock(_ type: Int32) -> Bool {
        #if os(Linux)
        var lock = flock()
        lock.l_type = Int16(type)
        lock.l_whence = Int16(SEEK_SET)
        return retrying({ fcntl(open, Self.setOpenFileLock, &lock) }) == 0
        #else
        return true
        #endif
    }

    func map(length: Int) throws(FileError) -> MappedRegion {
        let address = mmap(nil, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, open, 0)
        guard let address, address != MAP_FAILED else { throw systemError("mmap", path) }
        // B+tree reads jump about: reading ahead would only fill memory with pages nobody asked for.
        madvise(address, length, MADV_RANDOM)
        return MappedRegion(
            bytes: UnsafeRawBufferPointer(start: address, count: length),
            release: { region in
                _ = munmap(UnsafeMutableRawPointer(mutating: region.baseAddress), region.count)
            },
            forget: { region in
                // Whole pages only: the start is rounded up, the end down.
                let pageSize = sysconf(Int32(_SC_PAGESIZE))
                guard let base = region.baseAddress else { return }
                let start = (Int(bitPattern: base) + pageSize - 1) / pageSize * pageSize
                let end = (Int(bitPattern: base) + region.count) / pageSize * pageSize
                if end > start { madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, MADV_DONTNEED) }
            },
            lock: { [path] (region) throws(FileError) in
                guard mlock(region.baseAddress, region.count) != 0 else { return }
                let number = errno
                var error = systemError("mlock", path, number)
                error.reason += " (RLIMIT_MEMLOCK is \(Self.lockedMemoryLimit))"
                throw error
            },
            unlock: { region in _ = munlock(region.baseAddress, region.count) }
        )
    }

    /// How much a process without CAP_IPC_LOCK may lock, in words.
    private static var lockedMemoryLimit: String {
        // `RLIMIT_MEMLOCK`, which Swift does not see under its name.
        let number: __rlimit_resource_t = 8
        var limits = rlimit()
        guard getrlimit(number, &limits) == 0 else { return "unknown" }
        return limits.rlim_cur == rlim_t.max ? "unlimited" : "\(limits.rlim_cur) bytes"
    }

    func close() {
        let previous = descriptor.exchange(-1, ordering: .relaxed)
        if previous >= 0 { _ = Glibc.close(previous) }
    }
}

extension FileError {
    /// The system could not do with the arguments: here, direct writes of the wrong shape.
    var isInvalidArgument: Bool { number == EINVAL }
}
