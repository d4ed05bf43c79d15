import Base
import Testing
import Wire

@Suite("Wire")
struct WireTests {
    @Test("varints have the size they say and survive the way out and in")
    func varints() throws {
        for value in [0, 1, 127, 128, 300, 16383, 16384, UInt64(UInt32.max), UInt64.max - 1, .max] {
            var writer = WireWriter()
            writer.varint(value)
            #expect(writer.count == varintSize(value))
            var reader = WireReader(writer.bytes)
            #expect(try reader.varint() == value)
            #expect(reader.isAtEnd)
        }
    }

    @Test("fields come out as they went in; unknown ones are passed over")
    func fields() throws {
        var writer = WireWriter()
        writer.field(1, UInt64(0))
        writer.field(2, Int64(-5))
        writer.explicit(900, Bytes("unknown"))
        writer.field(3, "text")
        var found: [Int] = []
        var reader = WireReader(writer.bytes)
        while let field = try reader.next() {
            found.append(field.number)
            switch field.number {
            case 2: #expect(try reader.int64(field) == -5)
            case 3: #expect(try reader.string(field) == "text")
            default: try reader.skip(field)
            }
        }
        #expect(found == [2, 900, 3])
    }

    @Test(
        "what is no message says why",
        arguments: [
            ([0x08], WireError.truncated), ([0x0a, 5, 1], .truncated), ([0x00, 1], .malformedTag), ([0x0f], .malformedTag),
            ([0x08] + [UInt8](repeating: 0xff, count: 10), .malformedVarint), ([0x0c], .malformedGroup), ([0x0b, 0x14], .malformedGroup),
        ])
    func errors(bytes: [UInt8], expected: WireError) {
        #expect(throws: expected) {
            var reader = WireReader(Bytes(bytes))
            while let field = try reader.next() { try reader.skip(field) }
        }
    }
}
