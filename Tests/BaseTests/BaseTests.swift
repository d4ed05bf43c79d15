import Base
import CChecksum
import Testing

@Suite("Base")
struct BaseTests {
    @Test("checksums agree with published vectors, and the processor's loop with the table's")
    func checksums() {
        #expect(CRC32C.checksum("123456789") == 0xe306_9283)
        #expect(CRC32C.checksum("") == 0)
        var random = SeededRandom(seed: 1)
        for size in [0, 1, 7, 8, 9, 63, 64, 1000] {
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            let split = size / 3
            var pieces = CRC32C()
            pieces.update(Bytes(Array(bytes[..<split])))
            pieces.update(Bytes(Array(bytes[split...])))
            #expect(pieces.value == cchecksum_crc32c_portable(0, bytes, bytes.count))
            #expect(pieces.value == cchecksum_crc32c(0, bytes, bytes.count))
        }
        #expect("foobar".utf8.withContiguousStorageIfAvailable { fnv1a64(UnsafeRawBufferPointer($0)) } == 0x8594_4171_f739_67e8)
        #expect(sha1(Array("abc".utf8)).prefix(8) == [0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a])
        #expect(sha1([UInt8](repeating: 0x61, count: 1000)).prefix(4) == [0x29, 0x1e, 0x9a, 0x6c])
    }

    @Test("slices share, compare and hash as the bytes they show")
    func slices() {
        let whole: Bytes = "abcdef"
        let middle = whole[2..<5]
        #expect(middle == "cde" && middle.hashValue == Bytes("cde").hashValue)
        #expect(middle.compacted().storage.count == 3)
        #expect(middle[1..<3] == "de")
        #expect(Bytes("a") < "b" && Bytes("a") < "aa" && !(Bytes("b") < "aa") && Bytes() < "a")
        let sorted: [Bytes] = ["b", "", "ab", "a", [0xff], [0]].sorted()
        #expect(sorted == ["", [0], "a", "ab", "b", [0xff]])
    }

    @Test("ranges are etcd's three forms")
    func ranges() {
        #expect(KeyRange(key: "a").contains("a") && !KeyRange(key: "a").contains("ab"))
        let open = KeyRange(key: "b", end: [0])
        #expect(open.contains("b") && open.contains([0xff, 0xff]) && !open.contains("a"))
        #expect(KeyRange(key: "a", end: "c").contains("bzz") && !KeyRange(key: "a", end: "c").contains("c"))
    }

    @Test("JSON is written as Go writes it, and read whatever its spaces")
    func json() throws {
        let value = JSONValue.object(["a": .unsigned(.max), "b": .array([.signed(-1), .null, .bool(true)]), "c": .string("<\u{7}\"é")])
        let text = #"{"a":18446744073709551615,"b":[-1,null,true],"c":"\u003c\u0007\"é"}"#
        #expect(String(decoding: value.encoded, as: UTF8.self) == text)
        #expect(try JSONValue(parsing: Bytes(text)) == value)
        #expect(try JSONValue(parsing: #" { "x" : "\ud83d\ude00\n" } "#)["X"]?.string == "😀\n")
        for broken in ["", "{", "[1,]", "{\"a\"}", "01x", "\"\\u12\"", "[1] 2", "nul"] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes(broken)) }
        }
        #expect(throws: JSONError.self) { try JSONValue(parsing: Bytes(String(repeating: "[", count: 5000))) }
    }

    @Test("damaged JSON never crashes")
    func damagedJSON() {
        var random = SeededRandom(seed: 9)
        let text = Array(#"{"id":10,"peerURLs":["http://p"],"x":{"y":[1,2.5e3,"\u00e9\\"]}}"#.utf8)
        for _ in 0..<5000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? JSONValue(parsing: Bytes(Array(damaged.prefix(Int.random(in: 0...damaged.count, using: &random)))))
        }
    }

    @Test("versions compare by number, and their minor form is optional")
    func versions() {
        #expect(SemanticVersion("3.10.0")! > SemanticVersion("3.9.9")!)
        #expect(SemanticVersion("3.7.0-alpha.1") == SemanticVersion(3, 7))
        #expect(SemanticVersion("3.7") == nil && SemanticVersion("3.7", minorIsEnough: true) == SemanticVersion(3, 7))
        #expect(SemanticVersion("x.y.z") == nil && SemanticVersion("3.-7.0") == nil)
    }

    @Test("file names carry sixteen hexadecimal digits and nothing else")
    func hexadecimals() {
        #expect(paddedHexadecimal(255) == "00000000000000ff")
        #expect(parsePaddedHexadecimal("00000000000000ff") == 255)
        #expect(parsePaddedHexadecimal("+0000000000000ff") == nil && parsePaddedHexadecimal("ff") == nil)
    }
}
