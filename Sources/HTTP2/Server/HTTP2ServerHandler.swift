// A connection of HTTP/2: one nghttp2 session and all its streams in one channel handler, on the connection's event
// loop. What a read brings is delivered at once, what the application answers meanwhile goes out in one write.
//
// Nothing here is referenced weakly: an object that was, once, is counted slowly ever after, and these are counted for
// every field of every head. Circles are cut by hand instead: streams let go of the handler when they close, timers are
// cancelled when the connection ends, and NIO ends every connection it has begun.

import Base
import CNGHTTP2
package import NIOCore

package final class HTTP2ServerHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private let application: any HTTP2ServerApplication
    private let settings: HTTP2ServerSettings
    private let output: OutputBuffer
    private var backlog: ConnectionBacklog
    private var isBacklogRunScheduled = false
    private var session: OpaquePointer?
    private var context: ChannelHandlerContext?
    /// All that are not closed, in no order; each knows its place. nghttp2 holds them unowned.
    private var streams: [ServerStream] = []
    private var isReading = false
    private var isFlushScheduled = false
    private var isClosing = false
    private var closesAfterRead = false
    private let head = RequestHeadReader()
    private var pings: PingPolicy
    private var deadlineTimer: Scheduled<Void>?
    private var keepaliveTimer: Scheduled<Void>?
    private var keepaliveDeadline: Scheduled<Void>?
    /// Answered in full; their clients may be about to end their side. Those that have waited for one timer, and others.
    private var unended: (old: [ServerStream], new: [ServerStream]) = ([], [])
    private var unendedTimer: Scheduled<Void>?
    private var lastRead = NIODeadline.now()
    /// Told when the connection has something to write outside of a read, to flush many connections together; without
    /// it the handler flushes in the loop's next turn.
    package var whenDirty: ((HTTP2ServerHandler) -> Void)?

    /// - Parameters:
    ///   - output: shared by the connections of an event loop.
    ///   - backlog: shared by the connections of an event loop.
    package init(
        application: any HTTP2ServerApplication, settings: HTTP2ServerSettings, output: OutputBuffer = OutputBuffer(),
        backlog: AnswerBacklog = AnswerBacklog()
    ) {
        self.application = application
        self.settings = settings
        self.output = output
        self.backlog = ConnectionBacklog(backlog)
        pings = PingPolicy(intervalMin: settings.pingIntervalMin)
    }

    package var openStreams: Int { streams.count }

    // MARK: Channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        session = makeServerSession(Unmanaged.passUnretained(self).toOpaque(), settings)
        flush()
        startKeepalive(context.eventLoop)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        tearDown()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        tearDown()
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let session else { return }
        let buffer = unwrapInboundIn(data)
        lastRead = .now()
        isReading = true
        application.burstBegins()
        let consumed = buffer.withUnsafeReadableBytes { bytes in
            nghttp2_session_mem_recv(session, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        }
        if consumed < 0 {
            // nghttp2 has queued a GOAWAY where the protocol has one for it.
            flush()
            isReading = false
            context.close(promise: nil)
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        application.burstEnded()
        isReading = false
        flush()
        if closesAfterRead { context.close(promise: nil) }
        context.fireChannelReadComplete()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    private func tearDown() {
        guard let session else { return }
        self.session = nil
        deadlineTimer?.cancel()
        keepaliveTimer?.cancel()
        keepaliveDeadline?.cancel()
        unendedTimer?.cancel()
        unended = ([], [])
        backlog.forgetWaiting()
        let open = streams.sorted { $0.id < $1.id }
        streams = []
        for stream in open {
            let wasOpen = stream.isOpen
            stream.closed()
            if wasOpen { application.ended(stream, .connectionLost) }
        }
        nghttp2_session_del(session)
        context = nil
        application.connectionClosed()
        whenDirty = nil
    }

    // MARK: Writing

    /// Writes all that is ready, in one go while the socket takes it.
    package func flush() {
        guard let session, let context else { return }
        while nghttp2_session_want_write(session) != 0, context.channel.isWritable {
            // The connection's only while it is filled: nghttp2 calls back for every piece, and what is called may ask
            // other connections to write.
            var buffer = output.take()
            fill(&buffer, from: session)
            let isFull = buffer.readableBytes >= HTTP2ServerSettings.writeBytesMax
            if buffer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
            output.giveBack(buffer)
            // Writing may have found the connection dead, and the session with it.
            if self.session == nil { return }
            if !isFull { break }
        }
        let isOver = nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
        if isOver || (isClosing && streams.isEmpty && nghttp2_session_want_write(session) == 0) {
            context.close(promise: nil)
        }
    }

    /// Takes nghttp2's frames until there are no more, or `buffer` holds as much as is written at a time.
    private func fill(_ buffer: inout ByteBuffer, from session: OpaquePointer) {
        // A frame that nghttp2 has given and that found no room; valid until the next one is taken.
        var frame = UnsafeRawBufferPointer(start: nil, count: 0)
        var isDone = false
        while !isDone, buffer.readableBytes < HTTP2ServerSettings.writeBytesMax || frame.count > 0 {
            let room = max(frame.count, buffer.readableBytes, 1)
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
                var used = 0
                while true {
                    if frame.count > 0 {
                        if frame.count > space.count - used { break }
                        UnsafeMutableRawBufferPointer(rebasing: space[used...]).copyMemory(from: frame)
                        used += frame.count
                        frame = UnsafeRawBufferPointer(start: nil, count: 0)
                        if used >= HTTP2ServerSettings.writeBytesMax { break }
                    }
                    var data: UnsafePointer<UInt8>?
                    let count = nghttp2_session_mem_send(session, &data)
                    guard count > 0, let data else {
                        isDone = true
                        break
                    }
                    frame = UnsafeRawBufferPointer(start: data, count: count)
                }
                return used
            }
        }
    }

    func becomeDirty() {
        guard !isReading, !isFlushScheduled, let context else { return }
        isFlushScheduled = true
        if let whenDirty { return whenDirty(self) }
        context.eventLoop.assumeIsolated().execute { self.flushScheduled() }
    }

    /// Ends the wait that `whenDirty` began.
    package func flushScheduled() {
        isFlushScheduled = false
        flush()
    }

    func runSoon(_ body: @escaping () -> Void) {
        context?.eventLoop.assumeIsolated().execute(body)
    }

    /// No new calls; the connection ends with the last of those under way.
    package func shutDown() {
        guard let session, !isClosing else { return }
        isClosing = true
        nghttp2_submit_goaway(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(session),
            NGHTTP2_NO_ERROR.rawValue, nil, 0)
        flush()
    }

    // MARK: For streams

    /// - Parameter fields: nil for the head of a successful gRPC call.
    func submitHead(_ stream: ServerStream, _ fields: [(String, String)]?, endsStream: Bool) {
        guard let session else { return }
        pings.noteSent()
        var provider = nghttp2_data_provider()
        provider.read_callback = readCallback
        if let fields {
            withHeaderFields(fields) { array, count in
                _ = withUnsafePointer(to: provider) { provider in
                    nghttp2_submit_response(session, stream.id, array, count, endsStream ? nil : provider)
                }
            }
        } else {
            _ = withUnsafePointer(to: provider) { provider in
                nghttp2_submit_response(session, stream.id, grpcHead.pointer, grpcHead.count, provider)
            }
        }
        becomeDirty()
    }

    func resume(_ stream: ServerStream) {
        guard let session else { return }
        nghttp2_session_resume_data(session, stream.id)
        becomeDirty()
    }

    func reset(_ stream: ServerStream, _ errorCode: UInt32) {
        guard let session else { return }
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, errorCode)
        becomeDirty()
    }

    // MARK: Answers that clients have not taken

    var isBacklogFull: Bool { backlog.isFull }

    func whenBacklogShrinks(_ body: @escaping () -> Void) { backlog.wait(body) }

    /// Counts an answer that is still to be made as if it were there.
    /// - Returns: what ends that, to be called once.
    func expectAnswer(_ bytes: Int) -> () -> Void {
        noteUnsentAnswer(bytes)
        return { [self] in noteUnsentAnswer(-bytes) }
    }

    func noteUnsentAnswer(_ change: Int) {
        guard backlog.note(change), !isBacklogRunScheduled else { return }
        // nghttp2 is writing: what waits begins after it.
        isBacklogRunScheduled = true
        runSoon { self.runBacklog() }
    }

    private func runBacklog() {
        isBacklogRunScheduled = false
        while let next = backlog.takeNext() { next() }
    }

    // MARK: Called by nghttp2

    func beginHeaders() { head.begin() }

    func header(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool { head.add(name, value) }

    func requestReceived(_ id: Int32, endsStream: Bool) {
        guard let session else { return }
        guard let fields = head.finish() else {
            nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, NGHTTP2_PROTOCOL_ERROR.rawValue)
            return
        }
        let stream = ServerStream(id: id, head: fields, deadline: head.timeout.map { .now() + $0 }, handler: self)
        stream.place = streams.count
        streams.append(stream)
        nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(stream).toOpaque())
        if isClosing { return reset(stream, NGHTTP2_REFUSED_STREAM.rawValue) }
        if stream.isGRPC {
            guard stream.head.method == "POST" else {
                return stream.respond(status: 405, headers: [("allow", "POST")], body: Bytes())
            }
            if stream.deadline != nil { startDeadlineTimer() }
            application.started(stream)
            if stream.head.encoding == .unknown {
                let name = stream.head["grpc-encoding"] ?? ""
                return stream.finish(status: 12, message: "grpc: Decompressor is not installed for grpc-encoding \"\(name)\"")
            }
        }
        if endsStream { clientFinished(stream) }
    }

    func trailersReceived(_ stream: ServerStream, endsStream: Bool) {
        if head.finishTrailers(), endsStream { clientFinished(stream) } else { refuse(stream) }
    }

    /// Ends a stream whose client does not keep to HTTP.
    private func refuse(_ stream: ServerStream) {
        stream.isClientFinished = true
        reset(stream, NGHTTP2_PROTOCOL_ERROR.rawValue)
    }

    func received(_ stream: ServerStream, _ bytes: UnsafeRawBufferPointer) {
        guard stream.isOpen, !stream.isClientFinished else { return }
        if let length = stream.head.contentLength {
            stream.receivedBytes += bytes.count
            if stream.receivedBytes > length { return refuse(stream) }
        }
        if !stream.isGRPC {
            stream.incoming.append(contentsOf: bytes)
            if stream.incoming.count > HTTP2ServerSettings.bodyBytesMax { stream.respond(status: 413, headers: [], body: Bytes()) }
            return
        }
        if stream.incoming.isEmpty {
            // As nearly all messages come: whole, in one piece of a read.
            let used = deliverMessages(stream, bytes)
            if used < bytes.count, stream.isOpen { keep(stream, UnsafeRawBufferPointer(rebasing: bytes[used...])) }
        } else {
            stream.incoming.append(contentsOf: bytes)
            var pending: [UInt8] = []
            swap(&pending, &stream.incoming)
            let used = pending.withUnsafeBytes { deliverMessages(stream, $0) }
            guard stream.isOpen else { return }
            if used == 0 {
                stream.incoming = pending
            } else if used < pending.count {
                pending.withUnsafeBytes { keep(stream, UnsafeRawBufferPointer(rebasing: $0[used...])) }
            }
        }
    }

    /// The beginning of a message, with room for the rest of it.
    private func keep(_ stream: ServerStream, _ bytes: UnsafeRawBufferPointer) {
        if bytes.count >= Self.frameSize { stream.incoming.reserveCapacity(Self.frameSize + Self.messageSize(bytes)) }
        stream.incoming.append(contentsOf: bytes)
    }

    private static let frameSize = 5

    private static func messageSize(_ frame: UnsafeRawBufferPointer) -> Int {
        Int(UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
    }

    /// - Returns: how many bytes the messages took that are whole.
    private func deliverMessages(_ stream: ServerStream, _ bytes: UnsafeRawBufferPointer) -> Int {
        var position = 0
        while stream.isOpen, bytes.count - position >= Self.frameSize {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            let size = Self.messageSize(rest)
            if size > settings.messageBytesMax {
                stream.finish(
                    status: 8, message: "grpc: received message larger than max (\(size) vs. \(settings.messageBytesMax))")
                break
            }
            guard rest.count >= Self.frameSize + size else { break }
            position += Self.frameSize + size
            let message = UnsafeRawBufferPointer(rebasing: rest[Self.frameSize..<Self.frameSize + size])
            stream.hasWholeMessage = true
            if rest[0] == 0 { application.received(stream, message: message) } else { deliverCompressed(stream, message) }
        }
        return position
    }

    private func deliverCompressed(_ stream: ServerStream, _ message: UnsafeRawBufferPointer) {
        guard stream.head.encoding == .gzip else {
            return stream.finish(status: 13, message: "grpc: compressed flag set with identity or empty encoding")
        }
        switch inflate(message, limit: settings.messageBytesMax) {
        case .success(let plain): plain.withUnsafeBytes { application.received(stream, message: $0) }
        case .failure(.tooLarge):
            stream.finish(
                status: 8, message: "grpc: received message after decompression larger than max \(settings.messageBytesMax)")
        case .failure(.malformed): stream.finish(status: 13, message: "grpc: failed to decompress the received message")
        }
    }

    func clientFinished(_ stream: ServerStream) {
        guard !stream.isClientFinished else { return }
        stream.isClientFinished = true
        guard stream.isOpen else { return }
        if let length = stream.head.contentLength, stream.receivedBytes != length { return refuse(stream) }
        if !stream.isGRPC {
            let body = Bytes(stream.incoming)
            stream.incoming = []
            return application.httpRequest(stream, body: body)
        }
        if !stream.incoming.isEmpty {
            return stream.finish(status: 13, message: "unexpected EOF")
        }
        application.clientFinished(stream)
    }

    func streamClosed(_ stream: ServerStream) {
        guard stream.place < streams.count, streams[stream.place] === stream else { return }
        let last = streams.removeLast()
        if last !== stream {
            last.place = stream.place
            streams[stream.place] = last
        }
        let wasOpen = stream.isOpen
        stream.closed()
        if wasOpen { application.ended(stream, .cancelled) }
    }

    /// Fills a DATA frame; when the stream's last byte is out, its trailers follow.
    func fill(
        _ stream: ServerStream, _ buffer: UnsafeMutableRawBufferPointer, _ flags: UnsafeMutablePointer<UInt32>
    ) -> Int {
        let count = stream.take(into: buffer)
        // Clients that measure the way ping whenever data arrives.
        if count > 0 { pings.noteSent() }
        stream.noteTaken()
        if stream.queuedBytes == 0, stream.isFinished {
            flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if let trailers = stream.trailers, let session {
                flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                switch trailers {
                case .success: nghttp2_submit_trailer(session, stream.id, grpcSuccess.pointer, grpcSuccess.count)
                case .fields(let fields):
                    withHeaderFields(fields) { array, count in
                        _ = nghttp2_submit_trailer(session, stream.id, array, count)
                    }
                }
            }
            return count
        }
        if count > 0 { return count }
        stream.noteDeferred()
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }

    /// How long a client may take to end its side of a call that was answered, at least; most do so with the next packet.
    private static let endGrace = TimeAmount.milliseconds(100)
    /// Of one connection; those beyond are told at once, so that answered calls take no memory.
    private static let unendedMax = 256

    /// The server's side of a stream is over: a client that still sends is told to stop, as gRPC does. One that has sent
    /// its message is given a moment to end its side, as some clients count resets.
    func endSent(_ stream: ServerStream) {
        guard let context, !stream.isClientFinished else { return }
        guard stream.hasWholeMessage, mayWaitForEnds() else { return stopClient(stream) }
        unended.new.append(stream)
        if unendedTimer == nil { startUnendedTimer(context.eventLoop) }
    }

    /// Whether there is room in the list, once those that have ended are taken out.
    private func mayWaitForEnds() -> Bool {
        if unended.old.count + unended.new.count < Self.unendedMax { return true }
        unended.old.removeAll { $0.isClientFinished || $0.isClosed }
        unended.new.removeAll { $0.isClientFinished || $0.isClosed }
        return unended.old.count + unended.new.count < Self.unendedMax
    }

    private func startUnendedTimer(_ loop: any EventLoop) {
        unendedTimer = loop.assumeIsolated().scheduleTask(in: Self.endGrace) {
            self.unendedTimer = nil
            let due = self.unended.old
            self.unended = (self.unended.new, [])
            for stream in due where !stream.isClientFinished && !stream.isClosed { self.stopClient(stream) }
            self.becomeDirty()
            if !self.unended.old.isEmpty { self.startUnendedTimer(loop) }
        }
    }

    private func stopClient(_ stream: ServerStream) {
        guard let session else { return }
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, NGHTTP2_NO_ERROR.rawValue)
    }

    func pingReceived() {
        guard let session, !pings.isAllowed(at: .now(), hasStreams: !streams.isEmpty) else { return }
        let reason = Array("too_many_pings".utf8)
        nghttp2_submit_goaway(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(session),
            NGHTTP2_ENHANCE_YOUR_CALM.rawValue, reason, reason.count)
        // nghttp2 is reading: it may neither write nor go away before it has returned.
        closesAfterRead = true
    }

    // MARK: Timers

    private func startKeepalive(_ loop: any EventLoop) {
        keepaliveTimer = loop.assumeIsolated().scheduleTask(in: settings.keepaliveInterval) {
            self.sendKeepalive(loop)
        }
    }

    private func sendKeepalive(_ loop: any EventLoop) {
        guard let session else { return }
        let asked = NIODeadline.now()
        nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
        flush()
        guard self.session != nil else { return }
        keepaliveDeadline = loop.assumeIsolated().scheduleTask(in: settings.keepaliveTimeout) {
            guard let context = self.context, self.lastRead < asked else { return }
            context.close(promise: nil)
        }
        startKeepalive(loop)
    }

    /// Deadlines are looked at this often: finer than any client's timeout, coarser than a timer a call.
    private static let deadlineStep = TimeAmount.milliseconds(10)

    private func startDeadlineTimer() {
        guard deadlineTimer == nil, let context else { return }
        deadlineTimer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.deadlineStep) {
            self.checkDeadlines()
        }
    }

    private func checkDeadlines() {
        deadlineTimer = nil
        let now = NIODeadline.now()
        var hasMore = false
        var late: [ServerStream] = []
        for stream in streams where stream.isOpen {
            guard let deadline = stream.deadline else { continue }
            if deadline <= now { late.append(stream) } else { hasMore = true }
        }
        for stream in late.sorted(by: { $0.id < $1.id }) where stream.isOpen {
            stream.finish(status: 4, message: "context deadline exceeded")
            application.ended(stream, .deadlineExceeded)
        }
        if hasMore { startDeadlineTimer() }
        flush()
    }
}
