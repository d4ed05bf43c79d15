// The profile of the processor's time: which stacks were running, a hundred times in each second of it.

import CProfiler
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum ProcessorProfiler {
    enum Failure: Error, Equatable {
        /// There is one timer and one signal in a process.
        case inUse
        /// The system's error.
        case system(Int32)

        var description: String {
            switch self {
            case .inUse: "cpu profiling already in use"
            case .system(let number): String(cString: strerror(number))
            }
        }
    }

    /// Samples in a second of the processor's time, as Go takes them.
    static let frequency = 100
    private static let isTaken = Atomic(false)
    /// How often what was recorded is taken out: often enough for the room there is on many processors.
    private static let pause = Duration.seconds(1)
    /// Nobody waits longer; it keeps the arithmetic of times in bounds.
    private static let secondsMax: Int64 = 1 << 30

    /// Records for a time.
    /// - Throws: `Failure`, or `CancellationError` if nobody wants it any more.
    static func profile(seconds: Int64) async throws -> Profile {
        guard !isTaken.exchange(true, ordering: .acquiringAndReleasing) else { throw Failure.inUse }
        defer { isTaken.store(false, ordering: .releasing) }
        let number = cprofiler_begin(Int32(frequency))
        guard number == 0 else { throw Failure.system(number) }
        defer {
            cprofiler_stop()
            cprofiler_end()
        }
        let clock = ContinuousClock()
        let (begun, wallBegun) = (clock.now, ProcessFacts.nanosecondsSince1970())
        let end = begun.advanced(by: .seconds(min(seconds, secondsMax)))
        var stacks = RecordedStacks()
        while clock.now < end {
            try await Task.sleep(for: min(pause, clock.now.duration(to: end)), clock: clock)
            stacks.take()
        }
        cprofiler_stop()
        stacks.take()
        var profile = stacks.profile(period: 1_000_000_000 / Int64(frequency), dropped: cprofiler_dropped())
        profile.nanoseconds = wallBegun
        profile.durationNanoseconds = begun.duration(to: clock.now).nanoseconds
        return profile
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

/// How often each stack was seen, by thread.
struct RecordedStacks {
    private struct Stack: Hashable {
        var thread: UInt64
        var addresses: ArraySlice<UInt64>
    }

    private var counts: [Stack: Int64] = [:]
    private var threadNames: [UInt64: String] = [:]
    private var refused: UInt64 = 0
    private var words = [UInt64](repeating: 0, count: Int(CPROFILER_WORDS))
    /// Different ones: more than programs have, and a bound on what a long profile costs.
    private static let stacksMax = 50_000

    /// Takes what the handler has recorded. One caller at a time in the process.
    mutating func take() {
        let count = words.withUnsafeMutableBufferPointer { $0.baseAddress.map { cprofiler_take($0) } ?? 0 }
        note(words[..<count])
    }

    /// Records one after the other: the number of addresses, the thread, the addresses.
    mutating func note(_ words: ArraySlice<UInt64>) {
        var rest = words
        while let count = rest.first, count <= UInt64(rest.count) - 2 {
            let body = rest.dropFirst(2).prefix(Int(count))
            let stack = Stack(thread: rest[rest.startIndex + 1], addresses: body)
            rest = rest.dropFirst(2 + Int(count))
            if counts[stack] != nil {
                counts[stack, default: 0] += 1
            } else if counts.count < Self.stacksMax {
                // Not with all of the buffer that it was taken from.
                counts[Stack(thread: stack.thread, addresses: Array(body)[...])] = 1
                if threadNames[stack.thread] == nil {
                    threadNames[stack.thread] = ProcessFacts.threadName(stack.thread)
                }
            } else {
                refused += 1
            }
        }
    }

    /// - Parameter period: of the processor's time between two samples, in nanoseconds.
    func profile(period: Int64, dropped: UInt64) -> Profile {
        var profile = Profile(
            sampleTypes: [.init("samples", "count"), .init("cpu", "nanoseconds")],
            periodType: .init("cpu", "nanoseconds"),
            period: period
        )
        var merged: [Profile.Place: Int64] = [:]
        for (stack, count) in counts {
            // Where a call returns to may belong to what comes after it.
            let frames = stack.addresses.enumerated().map {
                Frame.address($0.offset == 0 ? $0.element : $0.element - 1)
            }
            let label = Profile.Label(key: "thread", text: threadNames[stack.thread] ?? "")
            merged[Profile.Place(stack: frames, labels: [label]), default: 0] += count
        }
        profile.samples = merged.map { ($0.key, [$0.value, $0.value * period]) }
        profile.mappings = ProcessFacts.mappings()
        profile.names = SymbolNames.names(
            of: counts.keys.reduce(into: Set()) { set, stack in
                for (index, address) in stack.addresses.enumerated() { set.insert(index == 0 ? address : address - 1) }
            }
        )
        if dropped + refused > 0 {
            profile.comments.append("\(dropped + refused) samples are missing: there was no room for them")
        }
        return profile
    }
}
