// A connection of HTTP/2: one nghttp2 session and all its streams in one channel handler, on the connection's event
// loop. What a read brings is delivered at once, what the application answers meanwhile goes out in one write.

import CNGHTTP2
package import NIOCore

package final class HTTP2ServerHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private let application: any HTTP2ServerApplication
    let settings: HTTP2ServerSettings
    private var session: OpaquePointer?
    private var context: ChannelHandlerContext?
    private var streams: [Int32: ServerStream] = [:]
    private var isReading = false
    private var isFlushScheduled = false
    private var isClosing = false
    private var closesAfterRead = false
    private var head = PartialHead()
    private var pings: PingPolicy
    private var deadlineTimer: Scheduled<Void>?
    private var keepaliveTimer: Scheduled<Void>?
    private var lastRead = NIODeadline.now()
    /// Told when the connection has something to write outside of a read, to flush many connections together; without
    /// it the handler flushes in the loop's next turn.
    package var whenDirty: ((HTTP2ServerHandler) -> Void)?

    package init(application: any HTTP2ServerApplication, settings: HTTP2ServerSettings) {
        self.application = application
        self.settings = settings
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
        let open = streams.values.sorted { $0.id < $1.id }
        streams = [:]
        for stream in open {
            let wasOpen = stream.isOpen
            stream.closed()
            if wasOpen { application.ended(stream, .connectionLost) }
        }
        nghttp2_session_del(session)
        context = nil
        application.connectionClosed()
    }

    // MARK: Writing

    /// Writes all that is ready, in one go while the socket takes it.
    package func flush() {
        guard let session, let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: 4096)
        while context.channel.isWritable {
            var data: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &data)
            guard count > 0, let data else { break }
            buffer.writeBytes(UnsafeRawBufferPointer(start: data, count: count))
            if buffer.readableBytes >= HTTP2ServerSettings.writeBytesMax {
                context.write(wrapOutboundOut(buffer), promise: nil)
                buffer = context.channel.allocator.buffer(capacity: HTTP2ServerSettings.writeBytesMax)
                if !context.channel.isWritable { break }
            }
        }
        if buffer.readableBytes > 0 { context.write(wrapOutboundOut(buffer), promise: nil) }
        context.flush()
        // Writing may have found the connection dead, and the session with it.
        guard self.session != nil else { return }
        let isOver = nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
        if isOver || (isClosing && streams.isEmpty && nghttp2_session_want_write(session) == 0) {
            context.close(promise: nil)
        }
    }

    private func becomeDirty() {
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

    // MARK: Called by nghttp2

    fileprivate func beginHeaders(_ id: Int32) {
        head = PartialHead()
    }

    fileprivate func header(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        head.add(name, value)
    }

    fileprivate func headersReceived(_ id: Int32, endsStream: Bool) {
        guard let session else { return }
        if let known = streams[id] {
            // Trailers of the client.
            if endsStream { clientFinished(known) }
            return
        }
        let stream = head.makeStream(id: id, handler: self)
        streams[id] = stream
        nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(stream).toOpaque())
        if isClosing { return reset(stream, NGHTTP2_REFUSED_STREAM.rawValue) }
        if stream.isGRPC {
            guard stream.head.method == "POST" else {
                return stream.respond(status: 405, headers: [("allow", "POST")], body: ByteBuffer())
            }
            if stream.deadline != nil { startDeadlineTimer() }
            application.started(stream)
            if stream.hasUnknownEncoding {
                let name = stream.head["grpc-encoding"] ?? ""
                return stream.finish(status: 12, message: "grpc: Decompressor is not installed for grpc-encoding \"\(name)\"")
            }
        }
        if endsStream { clientFinished(stream) }
    }

    fileprivate func data(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {
        guard let stream = streams[id], stream.isOpen else { return }
        stream.incoming.writeBytes(bytes)
        if stream.isGRPC {
            deliverMessages(stream)
        } else if stream.incoming.readableBytes > HTTP2ServerSettings.bodyBytesMax {
            stream.respond(status: 413, headers: [], body: ByteBuffer())
        }
    }

    private func deliverMessages(_ stream: ServerStream) {
        while stream.isOpen, stream.incoming.readableBytes >= 5 {
            guard let flag = stream.incoming.getInteger(at: stream.incoming.readerIndex, as: UInt8.self),
                let length = stream.incoming.getInteger(at: stream.incoming.readerIndex + 1, as: UInt32.self)
            else { return }
            let size = Int(length)
            if size > settings.messageBytesMax {
                return stream.finish(
                    status: 8, message: "grpc: received message larger than max (\(size) vs. \(settings.messageBytesMax))")
            }
            guard stream.incoming.readableBytes >= 5 + size else {
                stream.incoming.reserveCapacity(minimumWritableBytes: 5 + size - stream.incoming.readableBytes)
                return
            }
            stream.incoming.moveReaderIndex(forwardBy: 5)
            guard var message = stream.incoming.readSlice(length: size) else { return }
            if flag != 0 {
                guard stream.usesGzip else {
                    return stream.finish(status: 13, message: "grpc: compressed flag set with identity or empty encoding")
                }
                switch inflate(message, limit: settings.messageBytesMax) {
                case .success(let plain): message = plain
                case .failure(.tooLarge):
                    return stream.finish(
                        status: 8,
                        message: "grpc: received message after decompression larger than max \(settings.messageBytesMax)")
                case .failure(.malformed):
                    return stream.finish(status: 13, message: "grpc: failed to decompress the received message")
                }
            }
            application.received(stream, message: message)
        }
        if stream.incoming.readableBytes == 0 { stream.incoming.clear() }
    }

    fileprivate func dataEnded(_ id: Int32) {
        if let stream = streams[id] { clientFinished(stream) }
    }

    private func clientFinished(_ stream: ServerStream) {
        guard !stream.isClientFinished else { return }
        stream.isClientFinished = true
        guard stream.isOpen else { return }
        if !stream.isGRPC {
            let body = stream.incoming
            stream.incoming = ByteBuffer()
            return application.httpRequest(stream, body: body)
        }
        if stream.incoming.readableBytes > 0 {
            return stream.finish(status: 13, message: "unexpected EOF")
        }
        application.clientFinished(stream)
    }

    fileprivate func streamClosed(_ id: Int32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        let wasOpen = stream.isOpen
        stream.closed()
        if wasOpen { application.ended(stream, .cancelled) }
    }

    /// Fills a DATA frame; when the stream's last byte is out, its trailers follow.
    fileprivate func fill(
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
                if trailers.count == 1, trailers[0].1 == "0" {
                    nghttp2_submit_trailer(session, stream.id, grpcSuccess.pointer, grpcSuccess.count)
                } else {
                    withHeaderFields(trailers) { array, count in
                        _ = nghttp2_submit_trailer(session, stream.id, array, count)
                    }
                }
            }
            return count
        }
        return count == 0 ? Int(NGHTTP2_ERR_DEFERRED.rawValue) : count
    }

    /// The server's side of a stream is over: a client that still sends is told to stop, as gRPC does.
    fileprivate func endSent(_ id: Int32) {
        guard let session, let stream = streams[id], !stream.isClientFinished else { return }
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, NGHTTP2_NO_ERROR.rawValue)
    }

    fileprivate func pingReceived() {
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
        keepaliveTimer = loop.assumeIsolated().scheduleTask(in: settings.keepaliveInterval) { [weak self] in
            self?.sendKeepalive(loop)
        }
    }

    private func sendKeepalive(_ loop: any EventLoop) {
        guard let session else { return }
        let asked = NIODeadline.now()
        nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
        flush()
        loop.assumeIsolated().scheduleTask(in: settings.keepaliveTimeout) { [weak self] in
            guard let self, let context = self.context, self.lastRead < asked else { return }
            context.close(promise: nil)
        }
        startKeepalive(loop)
    }

    /// Deadlines are looked at this often: finer than any client's timeout, coarser than a timer a call.
    private static let deadlineStep = TimeAmount.milliseconds(10)

    private func startDeadlineTimer() {
        guard deadlineTimer == nil, let context else { return }
        deadlineTimer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.deadlineStep) { [weak self] in
            self?.checkDeadlines()
        }
    }

    private func checkDeadlines() {
        deadlineTimer = nil
        let now = NIODeadline.now()
        var hasMore = false
        for stream in streams.values.sorted(by: { $0.id < $1.id }) where stream.isOpen {
            guard let deadline = stream.deadline else { continue }
            if deadline <= now {
                stream.finish(status: 4, message: "context deadline exceeded")
                application.ended(stream, .deadlineExceeded)
            } else {
                hasMore = true
            }
        }
        if hasMore { startDeadlineTimer() }
        flush()
    }
}

// MARK: - The session and its callbacks

private func handler(_ pointer: UnsafeMutableRawPointer?) -> HTTP2ServerHandler? {
    pointer.map { Unmanaged<HTTP2ServerHandler>.fromOpaque($0).takeUnretainedValue() }
}

private let readCallback: nghttp2_data_source_read_callback = { session, id, buffer, length, flags, _, user in
    guard let handler = handler(user), let buffer, let flags,
        let pointer = nghttp2_session_get_stream_user_data(session, id)
    else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    let stream = Unmanaged<ServerStream>.fromOpaque(pointer).takeUnretainedValue()
    return handler.fill(stream, UnsafeMutableRawBufferPointer(start: buffer, count: length), flags)
}

private func makeServerSession(_ user: UnsafeMutableRawPointer, _ settings: HTTP2ServerSettings) -> OpaquePointer? {
    var callbacks: OpaquePointer?
    nghttp2_session_callbacks_new(&callbacks)
    defer { nghttp2_session_callbacks_del(callbacks) }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, user in
        guard let frame else { return 0 }
        handler(user)?.beginHeaders(frame.pointee.hd.stream_id)
        return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) { _, _, name, nameLength, value, valueLength, _, user in
        let accepted = handler(user)?.header(
            UnsafeRawBufferPointer(start: name, count: nameLength), UnsafeRawBufferPointer(start: value, count: valueLength))
        return accepted == true ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, user in
        guard let frame, let handler = handler(user) else { return 0 }
        let header = frame.pointee.hd
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch UInt32(header.type) {
        case NGHTTP2_HEADERS.rawValue: handler.headersReceived(header.stream_id, endsStream: endsStream)
        case NGHTTP2_DATA.rawValue: if endsStream { handler.dataEnded(header.stream_id) }
        case NGHTTP2_PING.rawValue:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { handler.pingReceived() }
        default: break
        }
        return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, length, user in
        handler(user)?.data(id, UnsafeRawBufferPointer(start: data, count: length))
        return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, _, user in
        handler(user)?.streamClosed(id)
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, user in
        guard let frame, let handler = handler(user) else { return 0 }
        let header = frame.pointee.hd
        if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            UInt32(header.type) == NGHTTP2_HEADERS.rawValue || UInt32(header.type) == NGHTTP2_DATA.rawValue
        {
            handler.endSent(header.stream_id)
        }
        return 0
    }

    var option: OpaquePointer?
    nghttp2_option_new(&option)
    defer { nghttp2_option_del(option) }
    var session: OpaquePointer?
    guard nghttp2_session_server_new2(&session, callbacks, user, option) == 0 else { return nil }
    let entries = [
        nghttp2_settings_entry(
            settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: settings.concurrentStreamsMax),
        nghttp2_settings_entry(
            settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
            value: UInt32(HTTP2ServerSettings.streamWindow)),
        nghttp2_settings_entry(
            settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
            value: UInt32(HTTP2ServerSettings.headBytesMax)),
    ]
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    nghttp2_session_set_local_window_size(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, HTTP2ServerSettings.connectionWindow)
    return session
}
