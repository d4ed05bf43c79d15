import Base
import Testing

@testable import Raft

@Suite("Inflights")
struct InflightsTests {
    @Test("a window behaves like a list with limits")
    func model() {
        var random = SeededRandom(seed: 1)
        for countMax in [1, 2, 7, 64] {
            for sizeMax in [UInt64.max, 100] {
                var window = Inflights(countMax: countMax, sizeBytesMax: sizeMax)
                var model: [(index: LogIndex, size: UInt64)] = []
                var next: LogIndex = 1
                for _ in 0..<2_000 {
                    if random.next() % 3 != 0 && !window.isFull {
                        let size = random.next() % 40
                        window.add(index: next, sizeBytes: size)
                        model.append((next, size))
                        next += 1 + random.next() % 3
                    } else if random.next() % 50 == 0 {
                        window.reset()
                        model = []
                    } else {
                        let index = next - min(next, random.next() % 20)
                        window.free(upTo: index)
                        model.removeAll { $0.index <= index }
                    }
                    let size = model.reduce(0) { $0 + $1.size }
                    #expect(window.count == model.count)
                    #expect(window.sizeBytes == size)
                    #expect(window.isFull == (model.count == countMax || size >= sizeMax))
                }
            }
        }
    }
}

@Suite("Progress")
struct ProgressTests {
    private func progress(match: LogIndex, next: LogIndex, inflights: Int = 3) -> Progress {
        Progress(match: match, next: next, inflights: Inflights(countMax: inflights))
    }

    @Test("a probe pauses until the next acknowledgement")
    func probing() {
        var one = progress(match: 0, next: 5)
        one.sentEntries(0, sizeBytes: 0)
        #expect(!one.isPaused)
        one.sentEntries(2, sizeBytes: 9)
        #expect(one.isPaused)
        #expect(one.next == 5)
        let isNews = one.acknowledge(6)
        #expect(isNews && !one.isPaused)
        #expect(one.match == 6 && one.next == 7)
        let isNewsAgain = one.acknowledge(6)
        #expect(!isNewsAgain)
    }

    @Test("replication runs ahead until the window is full")
    func replicating() {
        var one = progress(match: 4, next: 5)
        one.becomeReplicate()
        for count in 1...3 {
            #expect(!one.isPaused)
            one.sentEntries(count, sizeBytes: 1)
        }
        #expect(one.isPaused)
        #expect(one.next == 11)
        one.inflights.free(upTo: 5)
        let isNews = one.acknowledge(5)
        #expect(isNews && !one.isPaused)
        one.becomeProbe()
        #expect(one.next == 6 && one.inflights.count == 0)
    }

    @Test("after a snapshot probing begins behind it")
    func snapshot() {
        var one = progress(match: 2, next: 3)
        one.becomeSnapshot(10)
        #expect(one.isPaused && one.pendingSnapshot == 10 && one.next == 11)
        var failed = one
        one.becomeProbe()
        #expect(one.next == 11 && !one.isPaused)
        failed.pendingSnapshot = 0
        failed.becomeProbe()
        #expect(failed.next == 3)
    }

    @Test("rejections lower the next index, unless they are old news")
    func rejections() {
        // (state, match, next, rejected, hint) → the next index, or nil for old news.
        let cases: [(ProgressState, LogIndex, LogIndex, LogIndex, LogIndex, LogIndex?)] = [
            (.replicate, 5, 10, 5, 5, nil), (.replicate, 5, 10, 4, 4, nil), (.replicate, 5, 10, 9, 9, 6),
            (.probe, 0, 10, 5, 5, nil), (.probe, 0, 10, 9, 9, 9), (.probe, 0, 2, 1, 1, 1), (.probe, 0, 10, 9, 2, 3),
            (.probe, 0, 10, 9, 0, 1), (.probe, 4, 10, 9, 2, 5),
        ]
        for (state, match, next, rejected, hint, expected) in cases {
            var one = progress(match: match, next: next)
            if state == .replicate {
                one.becomeReplicate()
                one.sentEntries(Int(next - match - 1), sizeBytes: 0)
            }
            let before = one.next
            let isNews = one.decrease(rejected: rejected, hint: hint)
            #expect(isNews == (expected != nil))
            #expect(one.next == expected ?? before)
        }
    }

    @Test("a commit index is sent ahead only while it can make a difference")
    func commits() {
        var one = progress(match: 4, next: 8)
        #expect(one.canRaiseCommit(to: 5))
        one.sentCommit(5)
        #expect(!one.canRaiseCommit(to: 5))
        #expect(one.canRaiseCommit(to: 6))
        one.sentCommit(7)
        // It knows as much as it has entries.
        #expect(!one.canRaiseCommit(to: 9))
        // What was sent may be lost.
        one.becomeProbe()
        #expect(one.next == 5)
        #expect(!one.canRaiseCommit(to: 9))
        one.sentCommit(3)
        #expect(one.canRaiseCommit(to: 9))
    }

    @Test("the description is what the log prints")
    func description() {
        var one = progress(match: 1, next: 2)
        one.isLearner = true
        one.becomeReplicate()
        one.sentEntries(1, sizeBytes: 1)
        #expect("\(one)" == "StateReplicate match=1 next=3 learner inactive inflight=1")
        one.sentEntries(1, sizeBytes: 1)
        one.sentEntries(1, sizeBytes: 1)
        one.isRecentlyActive = true
        #expect("\(one)" == "StateReplicate match=1 next=5 learner paused inflight=3[full]")
        one.becomeSnapshot(9)
        #expect("\(one)" == "StateSnapshot match=1 next=10 learner paused pendingSnap=9")
    }
}

@Suite("Progress by member")
struct ProgressMapTests {
    @Test("a map behaves like a dictionary in ascending order")
    func model() {
        var random = SeededRandom(seed: 5)
        var map = ProgressMap()
        var model: [MemberID: Progress] = [:]
        for step in 0..<1_000 {
            let id = random.next() % 9
            if random.next() % 3 == 0 {
                map[id] = nil
                model[id] = nil
            } else {
                let one = Progress(next: LogIndex(step) + 1, inflights: Inflights(countMax: 1))
                map[id] = one
                model[id] = one
            }
            #expect(map.ids.ids == model.keys.sorted())
            #expect(map.indices.allSatisfy { map[position: $0] == model[map.id(at: $0)] })
            #expect(map[id] == model[id])
        }
    }
}
