// Random messages drawn from the descriptors: valid wire bytes with everything protobuf allows, and damaged ones.

import Base
import EtcdWire
import SwiftProtobuf
import Wire

/// Draws encodings of the messages in Protos/.
struct RandomMessages {
    private static let nestingDepthMax = 4
    private static let messages: [String: Google_Protobuf_DescriptorProto] = {
        var result: [String: Google_Protobuf_DescriptorProto] = [:]
        for name in ServerDescriptors.shared.fileNames {
            guard let encoded = ServerDescriptors.shared.file(named: name)?.first,
                let file = try? Google_Protobuf_FileDescriptorProto(decoding: encoded)
            else { continue }
            for message in file.messageType { result["\(file.package).\(message.name)"] = message }
        }
        return result
    }()

    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// An encoding of the message, its fields in any order, some several times, some unknown, some of a wrong type.
    mutating func encoding(of name: String, depth: Int = 0) -> Bytes {
        var writer = WireWriter()
        let fields = Self.messages[name]?.field ?? []
        for field in fields.shuffled(using: &random) {
            for _ in 0..<Int.random(in: 0...(depth == 0 ? 2 : 1), using: &random) {
                write(field, depth: depth, to: &writer)
            }
            if Int.random(in: 0..<16, using: &random) == 0 { writeUnknown(to: &writer) }
        }
        return writer.bytes
    }

    private mutating func write(
        _ field: Google_Protobuf_FieldDescriptorProto, depth: Int, to writer: inout WireWriter
    ) {
        let number = Int(field.number)
        if Int.random(in: 0..<24, using: &random) == 0 {
            writer.tag(number, .fixed32)
            for _ in 0..<4 { writer.array.append(.random(in: 0...255, using: &random)) }
            return
        }
        switch field.type {
        case .message:
            guard depth < Self.nestingDepthMax else { return }
            writer.explicit(number, encoding(of: String(field.typeName.dropFirst()), depth: depth + 1))
        case .string:
            let texts = ["", "a", "grüße", "名前", "http://127.0.0.1:2380"]
            writer.explicit(number, texts.randomElement(using: &random) ?? "")
        case .bytes: writer.explicit(number, bytes())
        case .bool: writer.explicit(number, .random(in: 0...2, using: &random))
        case .enum where field.label == .repeated && Bool.random(using: &random):
            writer.explicit(number, Bytes([0, 1, 1, 7]))
        case .enum:
            let known = UInt64.random(in: 0...5, using: &random)
            writer.explicit(number, Int.random(in: 0..<8, using: &random) == 0 ? integer() : known)
        default: writer.explicit(number, integer())
        }
    }

    private mutating func bytes() -> Bytes {
        let length = [0, 1, 3, 20, 127, 128, 300].randomElement(using: &random) ?? 0
        return Bytes((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    private mutating func integer() -> UInt64 {
        let whole = random.next()
        return [0, 1, 127, 128, whole, whole >> 32, UInt64(Int64.max), UInt64.max].randomElement(using: &random) ?? 0
    }

    private mutating func writeUnknown(to writer: inout WireWriter) {
        let number = Int.random(in: 20_000...20_010, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: writer.explicit(number, integer())
        case 1: writer.explicit(number, bytes())
        case 2:
            writer.tag(number, .fixed64)
            for _ in 0..<8 { writer.array.append(.random(in: 0...255, using: &random)) }
        default:
            writer.tag(number, .startGroup)
            writer.explicit(1, integer())
            writer.tag(number, .endGroup)
        }
    }

    /// `bytes` with a few bytes changed, taken out, put in, or cut off.
    mutating func damaged(_ bytes: Bytes) -> Bytes {
        var array = bytes.array
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard !array.isEmpty else { return Bytes([.random(in: 0...255, using: &random)]) }
            let place = Int.random(in: 0..<array.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: array[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: array[place] = .random(in: 0...255, using: &random)
            case 2: array.remove(at: place)
            case 3: array.insert(.random(in: 0...255, using: &random), at: place)
            default: array.removeLast(array.count - place)
            }
        }
        return Bytes(array)
    }
}
