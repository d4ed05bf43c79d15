// Messages that a client compressed with gzip.

import CZlib

enum InflateError: Error {
    case tooLarge
    case malformed
}

/// The plain bytes, which may be at most `limit`: a small message can unpack to a very large one.
func inflate(_ message: UnsafeRawBufferPointer, limit: Int) -> Result<[UInt8], InflateError> {
    var stream = z_stream()
    guard czlib_inflate_init_gzip(&stream) == Z_OK else { return .failure(.malformed) }
    defer { inflateEnd(&stream) }
    var input = Array(message)
    var output: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16 << 10)
    return input.withUnsafeMutableBufferPointer { source in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        while true {
            let status = piece.withUnsafeMutableBufferPointer { space in
                stream.next_out = space.baseAddress
                stream.avail_out = UInt32(space.count)
                return CZlib.inflate(&stream, Z_NO_FLUSH)
            }
            output.append(contentsOf: piece[..<(piece.count - Int(stream.avail_out))])
            if output.count > limit { return .failure(.tooLarge) }
            if status == Z_STREAM_END { return .success(output) }
            if status != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0) { return .failure(.malformed) }
        }
    }
}
