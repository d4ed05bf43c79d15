// What the system tells of this process: its threads, what is mapped, how it was called.

import CProfiler

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Memory that the process has, and what of it is in use.
package enum ProcessMemory {
    /// Bytes that the allocator holds and nobody uses; nil where the system or the allocator tells nothing.
    package static func unused() -> (bytes: UInt64, used: UInt64)? {
        guard let memory = ProcessFacts.memory(), let heap = ProcessFacts.allocator() else { return nil }
        let (own, used) = (memory.resident - min(memory.shared, memory.resident), heap.arena_used + heap.mapped)
        return (own - min(used, own), used)
    }
}

enum ProcessFacts {
    struct Thread: Sendable, Equatable {
        var id: UInt64
        var name: String
        /// As `ps` shows it: R, S, D.
        var state: String
    }

    static func nanosecondsSince1970() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: Threads

    static func threads() -> [Thread] {
        guard let folder = opendir("/proc/self/task") else { return [] }
        defer { closedir(folder) }
        var found: [Thread] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let id = UInt64(name), let thread = thread(id) else { continue }
            found.append(thread)
        }
        return found.sorted { $0.id < $1.id }
    }

    /// Nil if it has ended.
    static func threadName(_ id: UInt64) -> String? {
        read("/proc/self/task/\(id)/comm").map {
            String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        }
    }

    private static func thread(_ id: UInt64) -> Thread? {
        guard let name = threadName(id), let status = read("/proc/self/task/\(id)/stat") else { return nil }
        // The state follows the name in parentheses, which may hold parentheses itself.
        let rest = status.lastIndex(of: UInt8(ascii: ")")).map { status[($0 + 1)...] } ?? []
        return Thread(id: id, name: name, state: String(decoding: rest.dropFirst().prefix(1), as: UTF8.self))
    }

    // MARK: Memory

    /// What is mapped for running, by address.
    static func mappings() -> [Mapping] {
        var found = parse(maps: String(decoding: read("/proc/self/maps") ?? [], as: UTF8.self))
        for index in found.indices {
            var module = cprofiler_module()
            guard cprofiler_module_at(found[index].start, &module) != 0 else { continue }
            found[index].buildID = withUnsafeBytes(of: module.build_id) { raw in
                hexadecimal(raw.prefix(module.build_id_length))
            }
        }
        return found
    }

    private static func hexadecimal(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        bytes.reduce(into: "") { text, byte in
            text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
    }

    /// The lines of the system's table that say what may run: `start-limit rights offset device number path`.
    static func parse(maps: String) -> [Mapping] {
        maps.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            guard parts.count >= 5, parts[1].dropFirst(2).first == "x" else { return nil }
            let range = parts[0].split(separator: "-")
            guard range.count == 2, let start = UInt64(range[0], radix: 16), let limit = UInt64(range[1], radix: 16),
                let offset = UInt64(parts[2], radix: 16)
            else { return nil }
            let path = parts.count > 5 ? parts[5].drop { $0 == " " } : ""
            return Mapping(start: start, limit: limit, offset: offset, file: String(path))
        }
    }

    /// Bytes in memory, of the whole process and of what it shares with files; nil if the system does not say.
    static func memory() -> (resident: UInt64, shared: UInt64)? {
        guard let text = read("/proc/self/statm") else { return nil }
        let pages = String(decoding: text, as: UTF8.self).split(separator: " ").prefix(3).compactMap { UInt64($0) }
        guard pages.count == 3 else { return nil }
        let pageBytes = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        return (pages[1] * pageBytes, pages[2] * pageBytes)
    }

    /// Nil where the allocator tells nothing.
    static func allocator() -> cprofiler_heap? {
        var heap = cprofiler_heap()
        return cprofiler_heap(&heap) != 0 ? heap : nil
    }

    // MARK: Files

    /// Its arguments, separated by zero bytes.
    static func commandLine() -> [UInt8] {
        var line = read("/proc/self/cmdline") ?? []
        if line.last == 0 { line.removeLast() }
        return line
    }

    /// A file of the system's that has no size of its own.
    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = piece.withUnsafeMutableBytes { readOnce(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? content : nil }
            content.append(contentsOf: piece[..<count])
        }
    }
}

private func readOnce(_ descriptor: Int32, _ space: UnsafeMutableRawBufferPointer) -> Int {
    read(descriptor, space.baseAddress, space.count)
}
