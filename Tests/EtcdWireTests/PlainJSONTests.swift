// The straight way between JSON and messages says what the general way says, or nothing.

import Base
import EtcdWire
import SwiftProtobuf
import Testing

@Suite struct PlainJSONTests {
    private static let plain = RPC.allCases.filter { $0.plainShapes.request != nil || $0.plainShapes.response != nil }

    // MARK: The table

    private struct Descriptors {
        var messages: [String: Google_Protobuf_DescriptorProto] = [:]
        var enumerations: [String: Google_Protobuf_EnumDescriptorProto] = [:]

        init() throws {
            for name in ServerDescriptors.shared.fileNames {
                let encoded = try #require(ServerDescriptors.shared.file(named: name)?.first)
                let file = try Google_Protobuf_FileDescriptorProto(decoding: encoded)
                for message in file.messageType {
                    let name = ".\(file.package).\(message.name)"
                    messages[name] = message
                    for nested in message.enumType { enumerations["\(name).\(nested.name)"] = nested }
                }
            }
        }
    }

    @Test("every row of the table is the .proto files'")
    func table() throws {
        let descriptors = try Descriptors()
        var known: [PlainShape: String] = [:]
        var open: [(PlainShape, String)] = []
        for rpc in Self.plain {
            let shapes = rpc.plainShapes
            if let request = shapes.request { open.append((request, ".\(rpc.definition.request.protoMessageName)")) }
            if let response = shapes.response { open.append((response, ".\(rpc.definition.response.protoMessageName)")) }
        }
        while let (shape, name) = open.popLast() {
            guard known[shape] == nil else {
                #expect(known[shape] == name)
                continue
            }
            known[shape] = name
            let message = try #require(descriptors.messages[name])
            #expect(shape.fields.map(\.number) == shape.fields.map(\.number).sorted())
            for row in shape.fields {
                let field = try #require(message.field.first { Int($0.number) == row.number })
                #expect(field.name == row.name.description)
                #expect(field.jsonName == (row.jsonName ?? row.name).description)
                #expect(field.hasOneofIndex == row.isInOneof)
                if case .messages = row.kind {} else { #expect(field.label != .repeated) }
                switch row.kind {
                case .bytes: #expect(field.type == .bytes)
                case .int64: #expect(field.type == .int64)
                case .uint64: #expect(field.type == .uint64)
                case .bool: #expect(field.type == .bool)
                case .enumeration(let names):
                    let values = try #require(descriptors.enumerations[field.typeName]).value
                    #expect(values.map(\.name) == names.map(\.description))
                    #expect(values.map(\.number) == (0..<Int32(names.count)).map { $0 })
                case .message(let inner): open.append((inner, field.typeName))
                case .messages(let inner):
                    #expect(field.label == .repeated)
                    open.append((inner, field.typeName))
                }
            }
            // What is left out is text, which the general way is there for, and what no present client says.
            let missing = message.field.filter { field in !shape.fields.contains { $0.number == Int(field.number) } }
            #expect(missing.allSatisfy { $0.type == .string || $0.name == "fragment" }, "\(name): \(missing.map(\.name))")
        }
        #expect(known.count == PlainShape.allCases.count)
    }

    // MARK: Both ways

    private func canonical(_ encoding: Bytes, _ type: any SwiftProtobuf.Message.Type) -> Bytes? {
        try? type.init(decoding: encoding).encodedBytes()
    }

    @Test("messages to JSON", arguments: plain)
    func responses(rpc: RPC) throws {
        guard let shape = rpc.plainShapes.response else { return }
        var (random, straight) = (RandomMessages(seed: 11), 0)
        for _ in 0..<400 {
            let encoding = random.encoding(of: rpc.definition.response.protoMessageName)
            for message in [canonical(encoding, rpc.definition.response) ?? Bytes(), encoding, random.damaged(encoding)] {
                guard let json = PlainJSONWriter.json(message, shape) else { continue }
                straight += 1
                #expect(try GatewayJSON.generalResponse(message, of: rpc) == json)
            }
        }
        #expect(straight > 20)
    }

    @Test("JSON to messages", arguments: plain)
    func requests(rpc: RPC) throws {
        guard let shape = rpc.plainShapes.request else { return }
        var (random, straight) = (RandomMessages(seed: 12), 0)
        let type = rpc.definition.request
        for _ in 0..<400 {
            let encoding = random.encoding(of: type.protoMessageName)
            guard let message = try? type.init(decoding: encoding) else { continue }
            for keepsNames in [true, false] {
                var options = JSONEncodingOptions()
                options.preserveProtoFieldNames = keepsNames
                options.alwaysPrintInt64sAsNumbers = !keepsNames
                let json = Bytes(try message.jsonUTF8Bytes(options: options) as [UInt8])
                for text in [json, spaced(json), random.damaged(json), random.damaged(json)] {
                    guard let straightly = PlainJSONReader.message(text, shape) else { continue }
                    straight += 1
                    var scanner = JSONScanner(text)
                    let value = try #require(try scanner.next())
                    #expect(try GatewayJSON.generalRequest(value: value, of: rpc) == straightly, "\(text)")
                }
            }
        }
        #expect(straight > 200)
    }

    /// White space where JSON lets it be; none of these values holds one of the characters itself.
    private func spaced(_ json: Bytes) -> Bytes {
        var text: [UInt8] = Array(" \n".utf8)
        for character in json.array {
            text.append(character)
            if "{[,:]}".utf8.contains(character) { text += " \t\r\n".utf8 }
        }
        return Bytes(text)
    }

    @Test("fields in any order come out in the order of their numbers")
    func order() throws {
        let body: Bytes = #"{"lease":"7","value":"Mg==","prev_kv":true,"key":"YQ=="} and more"#
        let message = try #require(PlainJSONReader.message(body, .putRequest))
        #expect(PutRequest(key: "a", value: "2", lease: 7, prevKV: true).encoded() == message)
    }

    @Test(
        "left to the general way",
        arguments: [
            "", "[]", "{", #"{"key":null}"#, #"{"key":"YQ==","key":"YQ=="}"#, #"{"kez":"YQ=="}"#,
            #"{"key":"Y"}"#, #"{"key":"YQ"}"#, #"{"key":"YR=="}"#, #"{"key":"-_8="}"#, #"{"key":"\u0059Q=="}"#, #"{"key":"YQ=="#,
            #"{"lease":1.0}"#, #"{"lease":1e3}"#, #"{"lease":"01"}"#, #"{"lease":9223372036854775808}"#, #"{"lease":-}"#,
            #"{"lease":" 1"}"#, #"{"prev_kv":"true"}"#, #"{"prev_kv":truex}"#, #"{"key":"YQ==",}"#, #"{"key" "YQ=="}"#,
        ])
    func unusual(body: String) {
        #expect(PlainJSONReader.message(Bytes(body), .putRequest) == nil)
    }

    @Test("nesting has a limit")
    func nesting() {
        let levels = 40
        let body = String(repeating: #"{"success":[{"request_txn":"#, count: levels) + "{}" + String(repeating: "}]}", count: levels)
        #expect(PlainJSONReader.message(Bytes(body), .txnRequest) == nil)
    }
}
