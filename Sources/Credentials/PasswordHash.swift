// Passwords as etcd keeps them: bcrypt, as Go's library writes and reads it. The work itself is libcrypt's, but for passwords
// with a zero byte, which it would cut there.
//
// Slow by design (a tenth of a second at the usual cost): for a thread that may wait.

package import Base
import CCrypt
import Glibc

package enum PasswordHash {
    package static let costRange: ClosedRange<UInt64> = 4...31
    /// What etcd falls back to when told a cost that is none.
    package static let defaultCost: UInt64 = 10
    /// bcrypt looks at no more bytes; Go refuses longer passwords rather than cut them.
    static let passwordBytesMax = 72
    /// `$2a$10$`, 22 digits of salt, 31 of hash.
    private static let hashBytes = 60
    private static let saltBytes = 16

    package enum Failure: Error, CustomStringConvertible {
        case tooLong
        case library

        package var description: String {
            switch self {
            case .tooLong: "bcrypt: password length exceeds 72 bytes"
            case .library: "bcrypt: hashing failed"
            }
        }
    }

    package static func hash(_ password: String, cost: UInt64) throws(Failure) -> Bytes {
        var generator = SystemRandomNumberGenerator()
        return try hash(password, cost: cost, salt: (0..<saltBytes).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// - Parameter salt: 16 bytes, which should be used once only.
    package static func hash(_ password: String, cost: UInt64, salt: [UInt8]) throws(Failure) -> Bytes {
        precondition(salt.count == saltBytes, "a salt has 16 bytes")
        if password.utf8.count > passwordBytesMax { throw .tooLong }
        let cost = costRange.contains(cost) ? cost : defaultCost
        let digits = cost < 10 ? "0\(cost)" : "\(cost)"
        guard var output = compute(password, setting: "$2b$\(digits)$" + encodeSalt(salt)) else { throw .library }
        // The algorithm is that of "2b"; Go writes its first name.
        output[2] = UInt8(ascii: "a")
        return Bytes(output)
    }

    /// Whether the password is the one of the hash. A hash that is none matches nothing.
    package static func matches(_ password: String, _ hash: Bytes) -> Bool {
        var setting = hash.array
        guard setting.count == hashBytes, setting[0] == UInt8(ascii: "$"), setting[1] == UInt8(ascii: "2"),
            setting[3] == UInt8(ascii: "$"), !setting.contains(0)
        else { return false }
        // Every minor letter means the same to Go; the library does otherwise for some.
        setting[2] = UInt8(ascii: "b")
        guard let computed = compute(password, setting: String(decoding: setting, as: UTF8.self)) else { return false }
        return isEqual(computed, setting)
    }

    /// Takes as long for any difference.
    private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for (a, b) in zip(left, right) { difference |= a ^ b }
        return difference == 0
    }

    private static let digits = Array("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)

    /// bcrypt's base64: its own digits, no padding.
    private static func encodeSalt(_ salt: [UInt8]) -> String {
        var text: [UInt8] = []
        var (buffer, bits): (UInt32, UInt32) = (0, 0)
        for byte in salt {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(digits[Int(buffer >> bits & 63)])
            }
        }
        if bits > 0 { text.append(digits[Int(buffer << (6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of a text of those digits; nil for others.
    private static func decodeSalt(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (buffer, bits): (UInt32, UInt32) = (0, 0)
        for digit in text {
            guard let value = digits.firstIndex(of: digit) else { return nil }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> bits))
            }
        }
        return bytes
    }

    /// The same as `compute`, for bytes that are no C string.
    /// - Parameter setting: begins with `$2b$`, two digits of cost, `$` and 22 of salt.
    static func computeHere(_ password: [UInt8], setting: [UInt8]) -> [UInt8]? {
        let head = 7
        guard setting.count >= head + 22, setting[6] == UInt8(ascii: "$"),
            let cost = Int(String(decoding: setting[4..<6], as: UTF8.self)), costRange.contains(UInt64(cost)),
            let salt = decodeSalt(setting[head..<(head + 22)]), salt.count == saltBytes
        else { return nil }
        let hash = Blowfish.bcrypt(password, salt: salt, cost: cost)
        // Written anew: of the last digit not all bits count.
        return Array(setting[..<head]) + Array(encodeSalt(salt).utf8) + Array(encodeSalt(hash).utf8)
    }

    private static func compute(_ password: String, setting: String) -> [UInt8]? {
        if password.utf8.contains(0) { return computeHere(Array(password.utf8), setting: Array(setting.utf8)) }
        let data = UnsafeMutablePointer<crypt_data>.allocate(capacity: 1)
        defer { data.deallocate() }
        memset(data, 0, MemoryLayout<crypt_data>.size)
        guard let result = crypt_r(password, setting, data) else { return nil }
        let text = Array(String(cString: result).utf8)
        // A failure is a text that begins with an asterisk.
        return text.count == hashBytes && text[0] == UInt8(ascii: "$") ? text : nil
    }
}
