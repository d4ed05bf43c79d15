// Requests that never end, on a turned clock.

import NIOCore
import NIOEmbedded
import Testing

@testable import FrontDoor

@Suite("Requests that never end")
struct SlowRequestGuardTests {
    private func connection() throws -> (EmbeddedChannel, SlowRequestGuard) {
        let channel = EmbeddedChannel()
        let guardian = SlowRequestGuard()
        try channel.pipeline.syncOperations.addHandler(guardian)
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
        return (channel, guardian)
    }

    @Test func aRequestThatComesByteByByteEndsTheConnection() throws {
        let (channel, _) = try connection()
        for _ in 0..<30 where channel.isActive {
            _ = try channel.writeInbound(ByteBuffer(string: "x"))
            channel.embeddedEventLoop.advanceTime(by: .seconds(11))
        }
        #expect(!channel.isActive, "however busy it looks, five minutes are over")
    }

    @Test func nothingIsAskedOfAConnectionThatIsIdle() throws {
        let (channel, _) = try connection()
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(channel.isActive)
    }

    @Test func requestsThatEndMayFollowEachOtherForEver() throws {
        let (channel, guardian) = try connection()
        for _ in 0..<100 {
            _ = try channel.writeInbound(ByteBuffer(string: "a request"))
            channel.embeddedEventLoop.advanceTime(by: .minutes(4))
            guardian.requestArrived()
        }
        #expect(channel.isActive)
        // An answer may take as long as it likes.
        channel.embeddedEventLoop.advanceTime(by: .hours(10))
        #expect(channel.isActive)
        _ = try? channel.finish()
    }
}
