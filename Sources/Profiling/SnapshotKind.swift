// Profiles that show the process as it is at one moment.

import CProfiler

enum SnapshotKind: String, CaseIterable, Sendable {
    case allocs, block, goroutine, heap, mutex, threadcreate

    var explanation: String {
        switch self {
        case .allocs: "Memory that the allocator has handed out; it does not count what was given back."
        case .block: "Empty: waiting is not recorded."
        case .goroutine: "The threads of the process, by name."
        case .heap: "Memory that the allocator has handed out."
        case .mutex: "Empty: locks are not recorded."
        case .threadcreate: "The threads of the process, by name."
        }
    }

    var count: Int {
        switch self {
        case .allocs, .heap: Self.allocatedParts().count
        case .goroutine, .threadcreate: ProcessFacts.threads().count
        case .block, .mutex: 0
        }
    }

    func profile() -> Profile {
        var profile: Profile
        switch self {
        case .allocs, .heap:
            profile = Profile(
                sampleTypes: [
                    .init("alloc_objects", "count"), .init("alloc_space", "bytes"), .init("inuse_objects", "count"),
                    .init("inuse_space", "bytes"),
                ],
                periodType: .init("space", "bytes"),
                defaultType: self == .allocs ? "alloc_space" : nil
            )
            profile.samples = Self.allocatedParts().map { part in
                let values = [Int64(clamping: part.objects), Int64(clamping: part.bytes)]
                return (.init(stack: [.name(part.name)]), values + values)
            }
            profile.comments = ["The allocator counts what is in use, and objects only if they are mapped one by one."]
        case .goroutine, .threadcreate:
            let type = ValueType(rawValue, "count")
            profile = Profile(sampleTypes: [type], periodType: type)
            var counts: [String: Int64] = [:]
            for thread in ProcessFacts.threads() { counts[thread.name, default: 0] += 1 }
            profile.samples = counts.map { (.init(stack: [.name($0.key)]), [$0.value]) }
        case .block, .mutex:
            let contentions = ValueType("contentions", "count")
            profile = Profile(sampleTypes: [contentions, .init("delay", "nanoseconds")], periodType: contentions)
        }
        profile.nanoseconds = ProcessFacts.nanosecondsSince1970()
        return profile
    }

    /// For people.
    func text(isLong: Bool) -> String {
        switch self {
        case .allocs, .heap: return Self.heapText()
        case .goroutine where isLong:
            return ProcessFacts.threads().map { "thread \($0.id) [\($0.state)]:\n\($0.name)\n" }.joined(separator: "\n")
        case .goroutine, .threadcreate:
            let threads = ProcessFacts.threads()
            let counts = threads.reduce(into: [String: Int]()) { $0[$1.name, default: 0] += 1 }
            return "\(rawValue) profile: total \(threads.count)\n"
                + counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) @\n#\t\($0.key)\n\n" }
                .joined()
        case .block: return "--- contention:\ncycles/second=1000000000\n"
        case .mutex: return "--- mutex:\ncycles/second=1000000000\nsampling period=0\n"
        }
    }

    // MARK: Memory

    /// Empty where the allocator tells nothing.
    private static func allocatedParts() -> [(name: String, objects: UInt64, bytes: UInt64)] {
        guard let heap = ProcessFacts.allocator() else { return [] }
        return [
            ("malloc, from its arenas", 0, heap.arena_used),
            ("malloc, mapped one by one", heap.mapped_count, heap.mapped),
        ].filter { $0.2 > 0 }
    }

    private static func heapText() -> String {
        let parts = allocatedParts()
        let (objects, bytes) = parts.reduce((0, 0)) { ($0.0 + $1.objects, $0.1 + $1.bytes) }
        var text = "heap profile: \(objects): \(bytes) [\(objects): \(bytes)] @ heap/1\n"
        for part in parts {
            text += "\(part.objects): \(part.bytes) [\(part.objects): \(part.bytes)] @\n#\t\(part.name)\n\n"
        }
        if let heap = ProcessFacts.allocator() {
            text += "\n# malloc\n# Arenas = \(heap.arena_total)\n# InUse = \(heap.arena_used)\n"
            text += "# Mapped = \(heap.mapped) in \(heap.mapped_count)\n"
        }
        if let memory = ProcessFacts.memory() { text += "# Resident = \(memory.resident)\n" }
        return text
    }
}
