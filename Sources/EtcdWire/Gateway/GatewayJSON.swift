// The JSON gateway's mapping between JSON and encoded messages, as grpc-gateway does it with etcd's options: fields
// under their .proto names, 64-bit integers as strings, bytes in base64, enums by name, unset fields left out. On input
// camel-case names and numbers for enums are taken too, and unknown fields are ignored.

package import Base
import SwiftProtobuf

/// JSON in, messages out, and back.
package enum GatewayJSON {
    private static let decoding: JSONDecodingOptions = {
        var options = JSONDecodingOptions()
        options.ignoreUnknownFields = true
        return options
    }()

    private static let encoding: JSONEncodingOptions = {
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        return options
    }()

    /// The request in the body of a call that takes one message. As in Go an empty body is an empty request, and what
    /// follows the first value is not looked at.
    package static func request(body: Bytes, of rpc: RPC) throws(EtcdError) -> Bytes {
        if let shape = rpc.plainShapes.request, let message = PlainJSONReader.message(body, shape) { return message }
        var scanner = JSONScanner(body)
        let value: Bytes?
        do throws(JSONScanError) {
            value = try scanner.next()
        } catch {
            throw failure(error)
        }
        guard let value else { return Bytes() }
        return try generalRequest(value: value, of: rpc)
    }

    /// The request in one JSON value, such as `JSONScanner` cuts from a stream's body.
    package static func request(value: Bytes, of rpc: RPC) throws(EtcdError) -> Bytes {
        if let shape = rpc.plainShapes.request, let message = PlainJSONReader.message(value, shape) { return message }
        return try generalRequest(value: value, of: rpc)
    }

    /// By way of the generated messages.
    package static func generalRequest(value: Bytes, of rpc: RPC) throws(EtcdError) -> Bytes {
        let type = rpc.definition.request
        // A field that is there twice has no meaning; the general way would take the last.
        if let sentence = diagnoseDuplicate(value, messageName: type.protoMessageName) {
            throw EtcdError(code: .invalidArgument, message: sentence)
        }
        do {
            return try type.init(jsonUTF8Bytes: value.array, options: decoding).encodedBytes()
        } catch {
            throw EtcdError(code: .invalidArgument, message: diagnose(value, messageName: type.protoMessageName))
        }
    }

    /// The answer to a body that is no JSON.
    package static func failure(_ error: JSONScanError) -> EtcdError {
        switch error {
        case .unexpectedEnd: EtcdError(code: .invalidArgument, message: "unexpected EOF")
        case .malformed(let sentence): EtcdError(code: .invalidArgument, message: sentence)
        }
    }

    /// The response's JSON.
    package static func response(_ message: Bytes, of rpc: RPC) throws(EtcdError) -> Bytes {
        if let shape = rpc.plainShapes.response, let json = PlainJSONWriter.json(message, shape) { return json }
        return try generalResponse(message, of: rpc)
    }

    /// By way of the generated messages.
    package static func generalResponse(_ message: Bytes, of rpc: RPC) throws(EtcdError) -> Bytes {
        do {
            let array: [UInt8] = try rpc.definition.response.init(decoding: message).jsonUTF8Bytes(options: encoding)
            return Bytes(array)
        } catch {
            throw EtcdError(code: .internalError, message: "failed to marshal response message")
        }
    }

    /// The line of a stream's body that carries a response.
    package static func streamLine(_ message: Bytes, of rpc: RPC) throws(EtcdError) -> Bytes {
        var line = Array(#"{"result":"#.utf8)
        let response = try response(message, of: rpc)
        line.append(contentsOf: response.array)
        line.append(contentsOf: "}\n".utf8)
        return Bytes(line)
    }

    /// The body of a failed call; its HTTP status is `error.code.httpStatus`.
    package static func errorBody(_ error: EtcdError) -> Bytes {
        Bytes("{\"code\":\(error.code.rawValue),\"message\":\(quoted(error.message))}")
    }

    /// The line with which a stream's body ends when the call failed after its first response.
    package static func streamErrorLine(_ error: EtcdError) -> Bytes {
        Bytes("{\"error\":\(errorBody(error).description)}\n")
    }

    /// What the gateway answers for a path it does not know, with status 404.
    package static let unknownPath = EtcdError(code: .notFound, message: "Not Found")

    /// A JSON string.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{c}": result += "\\f"
            case "\u{0}"..<"\u{20}": result += "\\u00" + twoHexadecimalDigits(UInt8(truncatingIfNeeded: scalar.value))
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
