// Names of functions at addresses: from the program's own table of symbols while it was not stripped, and from what the
// loader knows of libraries.

import CProfiler

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum SymbolNames {
    /// The names of those that are known.
    static func names(of addresses: Set<UInt64>) -> [UInt64: String] {
        var names: [UInt64: String] = [:]
        for (address, name) in ProgramSymbols.names(of: addresses.sorted()) { names[address] = readable(name) }
        for address in addresses where names[address] == nil {
            if let name = cprofiler_symbol(address) { names[address] = readable(name) }
        }
        return names
    }

    private static func readable(_ name: UnsafePointer<CChar>) -> String {
        guard let plain = cprofiler_demangle(name) else { return String(cString: name) }
        defer { free(plain) }
        return String(cString: plain)
    }

    private static func readable(_ name: String) -> String { name.withCString { readable($0) } }
}

/// The table of symbols in the file that runs.
private enum ProgramSymbols {
    /// - Parameter addresses: in order.
    static func names(of addresses: [UInt64]) -> [(UInt64, String)] {
        guard !addresses.isEmpty, let bias = programBias() else { return [] }
        let descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0 else { return [] }
        let size = Int(status.st_size)
        // It runs: the system lets nobody write or shorten it.
        guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else { return [] }
        defer { munmap(start, size) }
        let image = ELFImage(bytes: UnsafeRawBufferPointer(start: start, count: size))
        return image.names(of: addresses.filter { $0 >= bias }.map { $0 - bias }).map { ($0.0 &+ bias, $0.1) }
    }

    /// What is added to the file's addresses. The program is the first that is loaded; its own code is asked for.
    private static func programBias() -> UInt64? {
        let own: @convention(c) () -> Void = {}
        var module = cprofiler_module()
        let address = UInt64(UInt(bitPattern: unsafeBitCast(own, to: UnsafeRawPointer.self)))
        return cprofiler_module_at(address, &module) != 0 ? module.bias : nil
    }
}

/// The sections of a 64-bit file of the processor's own byte order. Whatever does not fit is as if it were not there.
struct ELFImage {
    let bytes: UnsafeRawBufferPointer

    private struct Section {
        var type: UInt32
        var offset: Int
        var size: Int
        var link: Int
    }

    private static let symbolTable: UInt32 = 2
    private static let symbolBytes = 24
    private static let functionType: UInt8 = 2

    private func load<Value: BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value? {
        guard offset >= 0, offset <= bytes.count - MemoryLayout<Value>.size else { return nil }
        return bytes.loadUnaligned(fromByteOffset: offset, as: type)
    }

    private func section(_ number: Int) -> Section? {
        guard let table = load(40, as: UInt64.self).flatMap({ Int(exactly: $0) }), let size = load(58, as: UInt16.self),
            let count = load(60, as: UInt16.self), size >= 64, number >= 0, number < Int(count), table <= bytes.count
        else { return nil }
        let start = table + number * Int(size)
        guard let type = load(start + 4, as: UInt32.self), let link = load(start + 40, as: UInt32.self),
            let offset = load(start + 24, as: UInt64.self).flatMap({ Int(exactly: $0) }),
            let length = load(start + 32, as: UInt64.self).flatMap({ Int(exactly: $0) }),
            offset <= bytes.count, length <= bytes.count - offset
        else { return nil }
        return Section(type: type, offset: offset, size: length, link: Int(link))
    }

    /// The functions that addresses of the file lie in.
    /// - Parameter addresses: in order.
    func names(of addresses: [UInt64]) -> [(UInt64, String)] {
        guard load(0, as: UInt32.self) == 0x464c_457f, load(4, as: UInt8.self) == 2 else { return [] }
        var number = 0
        var found: [(UInt64, String)] = []
        while let table = section(number) {
            number += 1
            guard table.type == Self.symbolTable, let strings = section(table.link) else { continue }
            for start in stride(
                from: table.offset,
                through: table.offset + table.size - Self.symbolBytes,
                by: Self.symbolBytes
            ) {
                guard let kind = load(start + 4, as: UInt8.self), kind & 15 == Self.functionType,
                    let value = load(start + 8, as: UInt64.self), let size = load(start + 16, as: UInt64.self), size > 0
                else { continue }
                var index = firstIndex(in: addresses, from: value)
                guard index < addresses.count, addresses[index] - value < size,
                    let offset = load(start, as: UInt32.self),
                    let name = text(strings, Int(offset))
                else { continue }
                while index < addresses.count, addresses[index] - value < size {
                    found.append((addresses[index], name))
                    index += 1
                }
            }
        }
        return found
    }

    private func text(_ strings: Section, _ offset: Int) -> String? {
        guard offset < strings.size else { return nil }
        let range = (strings.offset + offset)..<(strings.offset + strings.size)
        return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]).prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Of the first address that is not below `value`.
    private func firstIndex(in addresses: [UInt64], from value: UInt64) -> Int {
        var (low, high) = (0, addresses.count)
        while low < high {
            let middle = (low + high) / 2
            if addresses[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
