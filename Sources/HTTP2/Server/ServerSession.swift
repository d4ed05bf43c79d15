// The nghttp2 session of a connection and the functions it calls.

import CNGHTTP2

/// Runs `body` with the handler behind nghttp2's user pointer, without counting references: the handler outlives its
/// session, which it deletes itself.
@inline(__always)
private func withHandler<R>(_ pointer: UnsafeMutableRawPointer?, _ none: R, _ body: (HTTP2ServerHandler) -> R) -> R {
    guard let pointer else { return none }
    return Unmanaged<HTTP2ServerHandler>.fromOpaque(pointer)._withUnsafeGuaranteedRef { body($0) }
}

/// The stream that the handler gave nghttp2 for an identifier; none before its request is whole and after its end.
@inline(__always)
private func stream(_ session: OpaquePointer?, _ id: Int32) -> ServerStream? {
    guard let pointer = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    return Unmanaged<ServerStream>.fromOpaque(pointer).takeUnretainedValue()
}

let readCallback: nghttp2_data_source_read_callback = { session, id, buffer, length, flags, _, user in
    guard let buffer, let flags, let stream = stream(session, id) else {
        return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    return withHandler(user, Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)) {
        $0.fill(stream, UnsafeMutableRawBufferPointer(start: buffer, count: length), flags)
    }
}

func makeServerSession(_ user: UnsafeMutableRawPointer, _ settings: HTTP2ServerSettings) -> OpaquePointer? {
    var callbacks: OpaquePointer?
    nghttp2_session_callbacks_new(&callbacks)
    defer { nghttp2_session_callbacks_del(callbacks) }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, _, user in
        withHandler(user, 0) {
            $0.beginHeaders()
            return 0
        }
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) { _, _, name, nameLength, value, valueLength, _, user in
        withHandler(user, NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) {
            let accepted = $0.header(
                UnsafeRawBufferPointer(start: name, count: nameLength), UnsafeRawBufferPointer(start: value, count: valueLength))
            return accepted ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { session, frame, user in
        guard let frame else { return 0 }
        let header = frame.pointee.hd
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        return withHandler(user, 0) { handler in
            switch UInt32(header.type) {
            case NGHTTP2_HEADERS.rawValue:
                if frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
                    handler.requestReceived(header.stream_id, endsStream: endsStream)
                } else if let known = stream(session, header.stream_id) {
                    handler.trailersReceived(known, endsStream: endsStream)
                }
            case NGHTTP2_DATA.rawValue:
                if endsStream, let stream = stream(session, header.stream_id) { handler.clientFinished(stream) }
            case NGHTTP2_PING.rawValue:
                if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { handler.pingReceived() }
            default: break
            }
            return 0
        }
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { session, _, id, data, length, user in
        guard let stream = stream(session, id) else { return 0 }
        return withHandler(user, 0) {
            $0.received(stream, UnsafeRawBufferPointer(start: data, count: length))
            return 0
        }
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { session, id, _, user in
        guard let stream = stream(session, id) else { return 0 }
        return withHandler(user, 0) {
            $0.streamClosed(stream)
            return 0
        }
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { session, frame, user in
        guard let frame else { return 0 }
        let header = frame.pointee.hd
        guard header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            UInt32(header.type) == NGHTTP2_HEADERS.rawValue || UInt32(header.type) == NGHTTP2_DATA.rawValue,
            let stream = stream(session, header.stream_id)
        else { return 0 }
        return withHandler(user, 0) {
            $0.endSent(stream)
            return 0
        }
    }

    var option: OpaquePointer?
    nghttp2_option_new(&option)
    defer { nghttp2_option_del(option) }
    // Nobody weighs calls against each other, and a tree for it would keep every stream that has ended until the
    // connection does.
    nghttp2_option_set_no_closed_streams(option, 1)
    // Heads are judged by `HeadFields`: nghttp2 would refuse what clients of etcd 3.5.0 call the authority.
    nghttp2_option_set_no_http_messaging(option, 1)
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
        nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES.rawValue), value: 1),
    ]
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    nghttp2_session_set_local_window_size(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, HTTP2ServerSettings.connectionWindow)
    return session
}
