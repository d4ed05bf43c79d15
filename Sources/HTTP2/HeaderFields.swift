// Header fields in nghttp2's form.

import CNGHTTP2

/// Gives `body` the fields as an array of nghttp2's; the strings live for the call, and nghttp2 copies them.
func withHeaderFields(_ fields: [(String, String)], _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Void) {
    var storage: [UInt8] = []
    for (name, value) in fields {
        storage += name.utf8
        storage += value.utf8
    }
    storage.withUnsafeMutableBufferPointer { bytes in
        guard var next = bytes.baseAddress else { return body(nil, 0) }
        var array: [nghttp2_nv] = []
        for (name, value) in fields {
            let (nameLength, valueLength) = (name.utf8.count, value.utf8.count)
            array.append(
                nghttp2_nv(
                    name: next, value: next + nameLength, namelen: nameLength, valuelen: valueLength,
                    flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)))
            next += nameLength + valueLength
        }
        array.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
    }
}

/// Fields that never change, laid out once and never freed.
// SAFETY of @unchecked Sendable: the memory is written in `init` and only read afterwards.
final class ConstantFields: @unchecked Sendable {
    let pointer: UnsafePointer<nghttp2_nv>
    let count: Int

    init(_ fields: [(String, String)]) {
        func bytes(_ text: String) -> UnsafeMutablePointer<UInt8> {
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, text.utf8.count))
            copy.initialize(from: Array(text.utf8), count: text.utf8.count)
            return copy
        }
        let array = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: fields.count)
        let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        for (index, (name, value)) in fields.enumerated() {
            (array + index).initialize(
                to: nghttp2_nv(
                    name: bytes(name), value: bytes(value), namelen: name.utf8.count, valuelen: value.utf8.count, flags: flags))
        }
        pointer = UnsafePointer(array)
        count = fields.count
    }
}

let grpcHead = ConstantFields([(":status", "200"), ("content-type", "application/grpc")])
let grpcSuccess = ConstantFields([("grpc-status", "0"), ("grpc-message", "")])
