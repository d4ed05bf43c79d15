// What happened, line by line, and one number that stands for all of it.

import Base

struct Trace {
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private let output: (@Sendable (String) -> Void)?

    init(_ output: (@Sendable (String) -> Void)?) {
        self.output = output
    }

    mutating func note(_ time: VirtualTime, _ text: String) {
        let line = "\(time / 1000)µs \(text)"
        for byte in line.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        output?(line)
    }
}
