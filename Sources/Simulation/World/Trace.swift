// What happened, and one number that stands for all of it. Text is made only for whoever wants to read it.

struct Trace {
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private let output: (@Sendable (String) -> Void)?

    init(_ output: (@Sendable (String) -> Void)?) {
        self.output = output
    }

    mutating func note(_ time: VirtualTime, _ text: String) {
        mix(time)
        for byte in text.utf8 { mix(UInt64(byte)) }
        output?("\(time / 1000)µs \(text)")
    }

    /// For what happens all the time: `text` must say nothing that the numbers do not.
    mutating func note(_ time: VirtualTime, _ numbers: (UInt64, UInt64, UInt64, UInt64, UInt64), _ text: () -> String) {
        mix(time)
        mix(numbers.0)
        mix(numbers.1)
        mix(numbers.2)
        mix(numbers.3)
        mix(numbers.4)
        if let output { output("\(time / 1000)µs \(text())") }
    }

    /// FNV-1a, by words, with the upper half folded in so that no bit is without effect.
    private mutating func mix(_ value: UInt64) {
        hash = (hash ^ value) &* 0x0000_0100_0000_01b3
        hash ^= hash >> 32
    }
}
