// What stands behind a connection, and the limits in front of it.

package import Base
package import NIOCore

/// One per connection; all calls come on its event loop.
package protocol HTTP2ServerApplication: AnyObject {
    /// Something has been read; what it brings is delivered next.
    func burstBegins()
    /// A gRPC call has begun: its head is there, its messages follow.
    func started(_ stream: ServerStream)
    /// One whole message, decompressed; its bytes are valid during the call.
    func received(_ stream: ServerStream, message: UnsafeRawBufferPointer)
    /// The client sends no more messages.
    func clientFinished(_ stream: ServerStream)
    /// The stream ended without the application having finished it; comes at most once.
    func ended(_ stream: ServerStream, _ end: StreamEnd)
    /// A request that is no gRPC call, with all of its body.
    func httpRequest(_ stream: ServerStream, body: Bytes)
    /// All that one read brought has been delivered.
    func burstEnded()
    func connectionClosed()
}

package struct HTTP2ServerSettings: Sendable {
    package var messageBytesMax: Int
    package var concurrentStreamsMax: UInt32
    /// Pings of clients closer together than this are strikes; the third closes the connection.
    package var pingIntervalMin: TimeAmount
    package var keepaliveInterval: TimeAmount
    package var keepaliveTimeout: TimeAmount

    package init(
        messageBytesMax: Int, concurrentStreamsMax: UInt32 = .max, pingIntervalMin: TimeAmount = .seconds(5),
        keepaliveInterval: TimeAmount = .hours(2), keepaliveTimeout: TimeAmount = .seconds(20)
    ) {
        self.messageBytesMax = messageBytesMax
        self.concurrentStreamsMax = concurrentStreamsMax
        self.pingIntervalMin = pingIntervalMin
        self.keepaliveInterval = keepaliveInterval
        self.keepaliveTimeout = keepaliveTimeout
    }

    /// A request head larger than this is refused: tokens and a few names are all that comes.
    static let headBytesMax = 64 << 10
    static let headFieldsMax = 128
    /// What a client may send ahead on one stream, and on all together: room for the largest request in flight.
    static let streamWindow: Int32 = 1 << 20
    static let connectionWindow: Int32 = 8 << 20
    /// The body of a request that is no gRPC call.
    static let bodyBytesMax = 4 << 20
    /// Bytes written to the socket at a time.
    static let writeBytesMax = 256 << 10
}

/// The buffer that answers are put together in, shared by the connections of one event loop: only one of them writes at
/// a time, and a buffer that the socket did not take at once is not used again.
package final class OutputBuffer {
    private var buffer = ByteBuffer()
    private static let initialBytes = 16 << 10
    /// A larger one is given back to the system.
    private static let keptBytesMax = 64 << 10

    package init() {}

    /// Empty, and nobody else's until it is given back.
    func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &buffer)
        taken.clear(minimumCapacity: Self.initialBytes)
        return taken
    }

    func giveBack(_ used: consuming ByteBuffer) {
        if used.capacity <= Self.keptBytesMax { buffer = used }
    }
}
