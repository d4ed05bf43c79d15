// bcrypt over bytes (Provos and Mazières, "A Future-Adaptable Password Scheme"), for the one kind of password that the
// system's library cannot be told of: one with a zero byte in it, where it takes a C string to end. Go's hashes them whole.
//
// Blowfish's tables are the digits of pi; they are computed when first needed.

struct Blowfish {
    private static let subkeys = 18
    private static let boxWords = 1024
    private static let initialWords = fractionOfPi(words: subkeys + boxWords)

    private var keys = Array(Blowfish.initialWords[..<Blowfish.subkeys])
    private var boxes = Array(Blowfish.initialWords[Blowfish.subkeys...])

    /// The 23 bytes of bcrypt's hash.
    /// - Parameters:
    ///   - key: the password, without the zero behind it.
    ///   - salt: 16 bytes.
    ///   - cost: the logarithm of the number of rounds, 4 to 31.
    static func bcrypt(_ key: [UInt8], salt: [UInt8], cost: Int) -> [UInt8] {
        precondition(salt.count == 16 && (4...31).contains(cost), "a salt or cost that is none")
        // As the C library had it: the zero behind the text belongs to the key.
        let key = key + [0]
        var cipher = Blowfish()
        cipher.expand(key, salt: salt)
        for _ in 0..<(1 << cost) {
            cipher.expand(key)
            cipher.expand(salt)
        }
        var (text, position) = (Array("OrpheanBeholderScryDoubt".utf8), 0)
        var words = (0..<6).map { _ in nextWord(text, &position) }
        for pair in stride(from: 0, to: 6, by: 2) {
            for _ in 0..<64 { (words[pair], words[pair + 1]) = cipher.encrypt(words[pair], words[pair + 1]) }
        }
        text = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
        return Array(text.prefix(23))
    }

    // MARK: The cipher

    private func mix(_ x: UInt32) -> UInt32 {
        let (a, b, c, d) = (Int(x >> 24), Int(x >> 16 & 255), Int(x >> 8 & 255), Int(x & 255))
        return ((boxes[a] &+ boxes[256 + b]) ^ boxes[512 + c]) &+ boxes[768 + d]
    }

    private func encrypt(_ left: UInt32, _ right: UInt32) -> (UInt32, UInt32) {
        var (l, r) = (left, right)
        for round in stride(from: 0, to: 16, by: 2) {
            l ^= keys[round]
            r ^= mix(l)
            r ^= keys[round + 1]
            l ^= mix(r)
        }
        return (r ^ keys[17], l ^ keys[16])
    }

    /// The bytes are read round and round.
    private static func nextWord(_ bytes: [UInt8], _ position: inout Int) -> UInt32 {
        var word: UInt32 = 0
        for _ in 0..<4 {
            word = word << 8 | UInt32(bytes[position])
            position = (position + 1) % bytes.count
        }
        return word
    }

    private mutating func expand(_ key: [UInt8], salt: [UInt8]? = nil) {
        var position = 0
        for index in 0..<Self.subkeys { keys[index] ^= Self.nextWord(key, &position) }
        var (l, r, saltPosition): (UInt32, UInt32, Int) = (0, 0, 0)
        func salted(_ word: UInt32) -> UInt32 {
            guard let salt else { return word }
            return word ^ Self.nextWord(salt, &saltPosition)
        }
        for index in stride(from: 0, to: Self.subkeys, by: 2) {
            l = salted(l)
            r = salted(r)
            (l, r) = encrypt(l, r)
            (keys[index], keys[index + 1]) = (l, r)
        }
        for index in stride(from: 0, to: Self.boxWords, by: 2) {
            l = salted(l)
            r = salted(r)
            (l, r) = encrypt(l, r)
            (boxes[index], boxes[index + 1]) = (l, r)
        }
    }

    // MARK: Pi

    /// The binary digits of pi behind the point, by Machin's formula: 16 arctan(1/5) - 4 arctan(1/239).
    static func fractionOfPi(words: Int) -> [UInt32] {
        // Two words more, for what is lost by cutting.
        let size = words + 2
        var sum = [UInt32](repeating: 0, count: size + 1)
        addArctangent(of: 5, times: 16, to: &sum, negative: false)
        addArctangent(of: 239, times: 4, to: &sum, negative: true)
        return Array(sum[1...words])
    }

    /// Fixed point: the first word is whole, the others the fraction, the weightiest first.
    private static func addArctangent(of denominator: UInt64, times: UInt64, to sum: inout [UInt32], negative: Bool) {
        var power = [UInt32](repeating: 0, count: sum.count)
        power[0] = UInt32(times)
        divide(&power, by: denominator)
        var (term, isNegative, odd) = (power, negative, UInt64(1))
        while power.contains(where: { $0 != 0 }) {
            term = power
            divide(&term, by: odd)
            accumulate(term, into: &sum, negative: isNegative)
            divide(&power, by: denominator * denominator)
            odd += 2
            isNegative.toggle()
        }
    }

    private static func divide(_ number: inout [UInt32], by divisor: UInt64) {
        var rest: UInt64 = 0
        for index in number.indices {
            let part = rest << 32 | UInt64(number[index])
            number[index] = UInt32(part / divisor)
            rest = part % divisor
        }
    }

    private static func accumulate(_ term: [UInt32], into sum: inout [UInt32], negative: Bool) {
        var carry: Int64 = 0
        for index in sum.indices.reversed() {
            let value = Int64(sum[index]) + (negative ? -Int64(term[index]) : Int64(term[index])) + carry
            sum[index] = UInt32(truncatingIfNeeded: value)
            carry = value >> 32
        }
    }
}
