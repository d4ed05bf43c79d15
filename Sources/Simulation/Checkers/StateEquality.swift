// Members that have applied the same entries hold the same keys, leases and members: equal hashes at equal index.

import Base

struct StateEquality {
    private var digests: [LogIndex: (digest: String, member: MemberID)] = [:]

    mutating func holds(_ digest: String, at index: LogIndex, _ id: MemberID) throws(Violation) {
        guard let known = digests[index] else {
            digests[index] = (digest, id)
            return
        }
        if known.digest != digest {
            throw Violation(
                checker: "state equality",
                text: "at index \(index) \(hexadecimal(known.member)) holds \(known.digest), \(hexadecimal(id)) \(digest)")
        }
    }
}
