// Answers of ranges, kept for those who may be told old news: serializable reads. A write or a compaction that goes
// through this proxy takes away what it touches; what others write stays unseen until an answer is pushed out, as it is
// with etcd's proxy.
//
// A plain value. An answer that was under way when something overlapping was written is not kept: it may be the old one.

import FoundationEssentials

struct RangeCache: Sendable {
    /// What an answer answers: the request's bytes, and who asked, for not everybody may read everything.
    struct Question: Hashable, Sendable {
        let asker: String
        let request: Data
        /// The keys that are read.
        let key: Data
        let end: Data
        /// The revision that is read; 0 for the present one, which writes change.
        let revision: Int64
    }

    /// An answer that was asked for and is not there yet.
    struct Fill: Sendable {
        fileprivate let number: Int
        fileprivate let question: Question
    }

    enum Found: Sendable {
        case answer([UInt8])
        /// The revision is known to be compacted.
        case compacted
    }

    private struct Entry {
        let answer: [UInt8]
        var used: UInt64
    }

    private var entries: [Question: Entry] = [:]
    private var atPresent: [Data: Set<Question>] = [:]
    private var rangesAtPresent: Set<Question> = []
    private var fills: [Int: (question: Question, isStale: Bool)] = [:]
    private var nextFill = 0
    private var clock: UInt64 = 0
    private var byteCount = 0
    private var compactRevision: Int64 = 0
    private(set) var hits = 0
    private(set) var misses = 0

    private let countMax: Int
    private let bytesMax: Int
    /// As many as etcd's proxy keeps.
    static let defaultCountMax = 2048
    /// All answers together, so that a few thousand large ones don't eat the machine.
    static let defaultBytesMax = 64 << 20
    /// An answer may take this share of the space.
    private static let sharesMin = 8

    init(countMax: Int = defaultCountMax, bytesMax: Int = defaultBytesMax) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    var count: Int { entries.count }

    /// What is known; nil if nothing.
    mutating func find(_ question: Question) -> Found? {
        if question.revision > 0, question.revision < compactRevision {
            hits += 1
            return .compacted
        }
        guard var entry = entries[question] else {
            misses += 1
            return nil
        }
        hits += 1
        clock += 1
        entry.used = clock
        entries[question] = entry
        return .answer(entry.answer)
    }

    /// Before a question is asked.
    mutating func begin(_ question: Question) -> Fill {
        defer { nextFill += 1 }
        fills[nextFill] = (question, false)
        return Fill(number: nextFill, question: question)
    }

    /// - Parameter answer: nil if there was none.
    mutating func end(_ fill: Fill, _ answer: [UInt8]?) {
        guard let known = fills.removeValue(forKey: fill.number), let answer, !known.isStale,
            answer.count <= bytesMax / Self.sharesMin
        else { return }
        let question = known.question
        remove(question)
        clock += 1
        entries[question] = Entry(answer: answer, used: clock)
        byteCount += answer.count
        if question.revision == 0 {
            if question.end.isEmpty {
                atPresent[question.key, default: []].insert(question)
            } else {
                rangesAtPresent.insert(question)
            }
        }
        if entries.count > countMax || byteCount > bytesMax { makeRoom() }
    }

    /// Something was written to these keys, or is about to be.
    mutating func invalidate(key: Data, end: Data) {
        for (number, fill) in fills where Self.overlap(fill.question, key, end) {
            fills[number] = (fill.question, true)
        }
        if end.isEmpty {
            for question in atPresent[key] ?? [] { remove(question) }
        } else {
            for (other, questions) in atPresent where Self.contains(key, end, other) {
                for question in questions { remove(question) }
            }
        }
        for question in rangesAtPresent where Self.overlap(question, key, end) { remove(question) }
    }

    /// History below `revision` is gone.
    mutating func compact(_ revision: Int64) { compactRevision = max(compactRevision, revision) }

    private mutating func remove(_ question: Question) {
        guard let entry = entries.removeValue(forKey: question) else { return }
        byteCount -= entry.answer.count
        rangesAtPresent.remove(question)
        atPresent[question.key]?.remove(question)
        if atPresent[question.key]?.isEmpty == true { atPresent[question.key] = nil }
    }

    /// Drops the least recently used quarter, so that looking for it is rare.
    private mutating func makeRoom() {
        for question in entries.sorted(by: { $0.value.used < $1.value.used }).map(\.key) {
            if entries.count <= countMax - countMax / 4, byteCount <= bytesMax - bytesMax / 4 { return }
            remove(question)
        }
    }

    // MARK: Ranges

    private static func overlap(_ question: Question, _ key: Data, _ end: Data) -> Bool {
        if question.end.isEmpty { return contains(key, end, question.key) }
        if end.isEmpty { return contains(question.key, question.end, key) }
        let open = Data([0])
        let beginsBefore = end == open || question.key.lexicographicallyPrecedes(end)
        let endsAfter = question.end == open || key.lexicographicallyPrecedes(question.end)
        return beginsBefore && endsAfter
    }

    private static func contains(_ key: Data, _ end: Data, _ other: Data) -> Bool {
        if end.isEmpty { return key == other }
        return !other.lexicographicallyPrecedes(key) && (end == Data([0]) || other.lexicographicallyPrecedes(end))
    }
}
