// What gRPC's server reflection answers from: the descriptors of our .proto files, by file and by symbol. The JSON
// gateway reads them too, to say where a request went wrong.

package import Base
import SwiftProtobuf

/// The descriptors of every file in Protos/.
package struct ServerDescriptors: Sendable {
    /// The server's own descriptors, read on first use.
    package static let shared = ServerDescriptors(base64: EncodedDescriptors.base64)

    private struct File: Sendable {
        let encoded: Bytes
        let dependencies: [String]
    }

    private var files: [String: File] = [:]
    private var fileOfSymbol: [String: String] = [:]
    /// Fields by the full name of their message.
    private var messages: [String: [FieldSchema]] = [:]

    /// The files' names, ascending.
    package var fileNames: [String] { files.keys.sorted() }

    /// The encoded FileDescriptorProto of the file and of all it imports, the file itself first; nil if unknown.
    package func file(named name: String) -> [Bytes]? {
        guard files[name] != nil else { return nil }
        var names = [name]
        var next = 0
        while next < names.count {
            for dependency in files[names[next]]?.dependencies ?? [] where !names.contains(dependency) {
                names.append(dependency)
            }
            next += 1
        }
        return names.compactMap { files[$0]?.encoded }
    }

    /// As `file(named:)` for the file that declares a message, enum, service, method, field or enum value.
    package func file(containing symbol: String) -> [Bytes]? {
        fileOfSymbol[symbol].flatMap { file(named: $0) }
    }

    /// The fields of a message in the order of declaration; nil if there is no such message.
    func fields(ofMessage name: String) -> [FieldSchema]? { messages[name] }

    private init(base64: String) {
        // The text is our own and `ServerDescriptorsTests` reads it: a failure cannot reach a running member.
        guard let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: decodeBase64(base64)) else { return }
        for file in set.file {
            guard let encoded = try? file.encodedBytes() else { continue }
            files[file.name] = File(encoded: encoded, dependencies: file.dependency)
            for message in file.messageType { register(message, scope: file.package, file: file.name) }
            for enumeration in file.enumType { register(enumeration, scope: file.package, file: file.name) }
            for service in file.service {
                let name = "\(file.package).\(service.name)"
                fileOfSymbol[name] = file.name
                for method in service.method { fileOfSymbol["\(name).\(method.name)"] = file.name }
            }
        }
    }

    private mutating func register(_ message: Google_Protobuf_DescriptorProto, scope: String, file: String) {
        let name = "\(scope).\(message.name)"
        fileOfSymbol[name] = file
        for field in message.field { fileOfSymbol["\(name).\(field.name)"] = file }
        for oneof in message.oneofDecl { fileOfSymbol["\(name).\(oneof.name)"] = file }
        messages[name] = message.field.map { field in
            let oneof = field.hasOneofIndex ? "\(name).\(message.oneofDecl[Int(field.oneofIndex)].name)" : nil
            return FieldSchema(field, oneof: oneof)
        }
        for nested in message.nestedType { register(nested, scope: name, file: file) }
        for enumeration in message.enumType { register(enumeration, scope: name, file: file) }
    }

    /// An enum's values live beside it, not in it: protobuf takes that from C++.
    private mutating func register(_ enumeration: Google_Protobuf_EnumDescriptorProto, scope: String, file: String) {
        fileOfSymbol["\(scope).\(enumeration.name)"] = file
        for value in enumeration.value { fileOfSymbol["\(scope).\(value.name)"] = file }
    }
}

/// What the gateway needs to know about a field to judge its JSON.
struct FieldSchema: Sendable {
    /// The kinds of field in our messages, by protobuf's names.
    enum Kind: String, Sendable {
        case int32, int64, uint32, uint64, bool, string, bytes
        case enumeration = "enum"
        case message
    }

    let name: String
    let jsonName: String
    let kind: Kind
    let isRepeated: Bool
    /// The full name of the message type, for message fields.
    let messageName: String
    /// The full name of the oneof the field belongs to.
    let oneof: String?

    init(_ field: Google_Protobuf_FieldDescriptorProto, oneof: String?) {
        name = field.name
        jsonName = field.jsonName
        isRepeated = field.label == .repeated
        messageName = String(field.typeName.drop { $0 == "." })
        self.oneof = oneof
        kind =
            switch field.type {
            case .int32: .int32
            case .int64: .int64
            case .uint32: .uint32
            case .uint64: .uint64
            case .bool: .bool
            case .string: .string
            case .enum: .enumeration
            case .message: .message
            default: .bytes
            }
    }
}

/// The bytes behind standard base64; other characters are passed over.
private func decodeBase64(_ text: String) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count / 4 * 3)
    var bits: UInt32 = 0
    var count = 0
    for character in text.utf8 {
        let digit: UInt8
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): digit = 62
        case UInt8(ascii: "/"): digit = 63
        default: continue
        }
        bits = bits << 6 | UInt32(digit)
        count += 6
        if count >= 8 {
            count -= 8
            result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
    }
    return result
}
