// Password hashes: Go's texts, ours, and texts that are none.

import Base
import Testing

@testable import Credentials

@Suite("Password hashes")
struct PasswordTests {
    @Test("hashes that Go's bcrypt wrote are recognised")
    func known() {
        // The cost-4 vector of Go's own tests, and its "allmine" at cost 10.
        let hash: Bytes = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"
        #expect(PasswordHash.matches("allmine", hash))
        #expect(!PasswordHash.matches("allmine2", hash))
        #expect(!PasswordHash.matches("", hash))
    }

    @Test("what was hashed matches, under the name Go writes")
    func roundTrip() throws {
        for password in ["", "a", "pässword", String(repeating: "x", count: 72), "\u{ff}\u{ff}\u{a3}"] {
            let hash = try PasswordHash.hash(password, cost: 4)
            #expect(String(decoding: hash.array, as: UTF8.self).hasPrefix("$2a$04$"))
            #expect(PasswordHash.matches(password, hash))
            #expect(!PasswordHash.matches(password + "y", hash) || password.utf8.count == 72)
            #expect(try PasswordHash.hash(password, cost: 4) != hash)
        }
    }

    @Test("one salt gives one hash")
    func salted() throws {
        let salt = Array(UInt8(0)..<16)
        let hash = try PasswordHash.hash("secret", cost: 4, salt: salt)
        #expect(try PasswordHash.hash("secret", cost: 4, salt: salt) == hash)
        #expect(try PasswordHash.hash("secret", cost: 4, salt: salt.reversed()) != hash)
        #expect(PasswordHash.matches("secret", hash) && !PasswordHash.matches("other", hash))
    }

    @Test("a password too long is refused")
    func refused() throws {
        #expect(throws: PasswordHash.Failure.tooLong) {
            try PasswordHash.hash(String(repeating: "x", count: 73), cost: 4)
        }
    }

    @Test("a zero byte is a byte like others, as Go has it")
    func zeroBytes() throws {
        let hash = try PasswordHash.hash("a\0b", cost: 4)
        #expect(PasswordHash.matches("a\0b", hash))
        for other in ["a", "a\0c", "a\0", "ab", "a\0b\0"] {
            #expect(!PasswordHash.matches(other, hash), "\(other.debugDescription)")
        }
        #expect(!PasswordHash.matches("a\0b", try PasswordHash.hash("a", cost: 4)))
    }

    @Test("what computes those is the library's function, wherever both can be asked")
    func sameAsTheLibrary() throws {
        for password in ["", "a", "a longer password", "p\u{e4}ss", String(repeating: "z", count: 72)] {
            for cost in UInt64(4)...5 {
                let hash = try PasswordHash.hash(password, cost: cost).array
                let setting = Array("$2b".utf8) + hash[3...]
                #expect(PasswordHash.computeHere(Array(password.utf8), setting: setting) == setting)
            }
        }
        // The first digits of pi behind the point.
        #expect(Blowfish.fractionOfPi(words: 4) == [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344])
    }

    @Test("texts that are no hash match nothing")
    func malformed() throws {
        let good = try PasswordHash.hash("a", cost: 4).array
        for bytes in [[], Array("$2a$".utf8), Array(good.dropLast()), [UInt8](repeating: 0, count: 60), [UInt8](repeating: 0xff, count: 60)] {
            #expect(!PasswordHash.matches("a", Bytes(bytes)))
        }
        var generator = SeededRandom(seed: 7)
        for _ in 0..<40 {
            var mutated = good
            mutated[Int(generator.next() % 7)] = UInt8(truncatingIfNeeded: generator.next())
            // May be a hash still; must be an answer.
            _ = PasswordHash.matches("a", Bytes(mutated.count == 60 && mutated[4] == good[4] && mutated[5] == good[5] ? mutated : []))
        }
    }
}

/// A small generator (SplitMix64) with a seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
