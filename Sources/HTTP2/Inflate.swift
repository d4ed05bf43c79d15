// Messages that a client compressed with gzip.

import CZlib
import NIOCore

enum InflateError: Error {
    case tooLarge
    case malformed
}

/// The plain bytes, which may be at most `limit`: a small message can unpack to a very large one.
func inflate(_ message: ByteBuffer, limit: Int) -> Result<ByteBuffer, InflateError> {
    var stream = z_stream()
    guard czlib_inflate_init_gzip(&stream) == Z_OK else { return .failure(.malformed) }
    defer { inflateEnd(&stream) }
    var input = Array(message.readableBytesView)
    var output = ByteBuffer()
    return input.withUnsafeMutableBufferPointer { source in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        while true {
            var status = Z_OK
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: 16 << 10) { space in
                stream.next_out = space.bindMemory(to: UInt8.self).baseAddress
                stream.avail_out = UInt32(space.count)
                status = CZlib.inflate(&stream, Z_NO_FLUSH)
                return space.count - Int(stream.avail_out)
            }
            if output.readableBytes > limit { return .failure(.tooLarge) }
            if status == Z_STREAM_END { return .success(output) }
            if status != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0) { return .failure(.malformed) }
        }
    }
}
