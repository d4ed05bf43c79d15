// What goes in comes out, framed, in order, whatever the sizes of messages and of the room there is.

import Base
@testable import HTTP2
import Testing

@Suite struct OutgoingQueueTests {
    private func frame(_ message: [UInt8]) -> [UInt8] {
        [0] + (0..<4).map { UInt8(truncatingIfNeeded: message.count >> ((3 - $0) * 8)) } + message
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func everything(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queue = OutgoingQueue()
        var (expected, got): ([UInt8], [UInt8]) = ([], [])
        func piece(_ random: inout SeededRandom) -> [UInt8] {
            let size = [0, 1, 30, 500, 1023, 1024, 1025, 20_000].randomElement(using: &random) ?? 0
            return (0..<size).map { UInt8(truncatingIfNeeded: $0 &+ Int(seed)) }
        }
        func take(_ room: Int) {
            let bytes = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                count = queue.take(into: UnsafeMutableRawBufferPointer(buffer))
            }
            #expect(bytes.count == room || queue.byteCount == 0)
            got += bytes
        }
        for _ in 0..<200 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                let message = piece(&random)
                queue.append(Bytes(message), messageSize: message.count)
                expected += frame(message)
            case 1:
                let parts = [piece(&random), piece(&random), piece(&random)]
                queue.append(Bytes(parts[0]), Bytes(parts[1]), Bytes(parts[2]))
                expected += frame(parts[0] + parts[1] + parts[2])
            case 2:
                let body = piece(&random)
                queue.append(Bytes(body))
                expected += body
            default: take([1, 3, 7, 1000, 16_384].randomElement(using: &random) ?? 1)
            }
            #expect(queue.byteCount == expected.count - got.count)
        }
        while queue.byteCount > 0 { take(16_384) }
        #expect(got == expected)
    }
}
