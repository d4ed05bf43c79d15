// Writes with answers that may be large: those that return what was there before, and transactions that read. What is
// proposed is carried out and answered, whether or not the client takes the answer; so such a write waits *before* it is
// proposed while its client has too much to take, and room for its answer is kept from then until it is there.

import Base
import EtcdWire
import MVCC
import Raft
import RaftWire

/// What room the answer of a write needs.
struct AnswerSize {
    var bytes = 0
    /// Of more keys than anybody wants to look at in advance.
    var isLarge = false

    mutating func add(_ other: AnswerSize) {
        bytes += other.bytes
        if other.isLarge { isLarge = true }
    }

    static func larger(_ left: AnswerSize, _ right: AnswerSize) -> AnswerSize {
        AnswerSize(bytes: max(left.bytes, right.bytes), isLarge: left.isLarge || right.isLarge)
    }
}

/// A call that waits: it goes on once, or is given up.
private final class HeldCall {
    private var body: (() -> Void)?

    init(_ body: @escaping () -> Void) {
        self.body = body
    }

    func take() -> (() -> Void)? {
        defer { body = nil }
        return body
    }
}

extension FrontLane {
    /// For smaller ones no room is kept: of those it takes more than there are requests under way.
    private static let smallAnswerBytes = 4096
    /// What is reckoned for each of the large ones.
    private static let largeAnswerBytes = 8 << 20
    /// Of ranges with more keys the size is not looked up.
    private static let sizedKeysMax = 64
    /// Requests that may wait for clients and for their turn, in bytes; what each takes beside its bytes is in it.
    private static let heldBytesMax = 64 << 20
    private static let heldCallBytes = 512

    /// Proposes a write as soon as there is room for its answer.
    func write(
        _ kind: RaftRequestKind, _ operation: RequestOp, _ encoded: Bytes, _ metadata: CallMetadata, _ sink: any ReplySink
    ) {
        let size = answerSize(of: operation, ownBytes: encoded.count)
        guard size.bytes > 0 || size.isLarge else { return propose(kind, encoded, sink, metadata) }
        if sink.isBacklogFull {
            return hold(sink, requestBytes: encoded.count, until: sink.whenBacklogShrinks) { [self] in
                write(kind, operation, encoded, metadata, sink)
            }
        }
        if size.isLarge, largeWrites.isFull {
            return hold(sink, requestBytes: encoded.count, until: { largeWrites.wait($0) }) { [self] in
                write(kind, operation, encoded, metadata, sink)
            }
        }
        let isSmall = !size.isLarge && size.bytes <= Self.smallAnswerBytes
        propose(kind, encoded, sink, metadata, answer: isSmall ? nil : size)
    }

    /// - Returns: what gives the room back, to be called once.
    func keepRoom(for answer: AnswerSize, _ sink: any ReplySink) -> () -> Void {
        guard answer.isLarge else { return sink.expectAnswer(answer.bytes) }
        _ = largeWrites.enter()
        let answerCame = sink.expectAnswer(answer.bytes + Self.largeAnswerBytes)
        return { [self] in
            answerCame()
            largeWrites.leave()
            while let next = largeWrites.next() { next() }
        }
    }

    /// Keeps a call until what it waits for runs it; lets go of it when its client gives up. Where too much is kept it
    /// is refused.
    /// - Parameters:
    ///   - requestBytes: how much of the request is kept with it.
    ///   - start: takes what is to be run once.
    func hold(
        _ sink: any ReplySink, requestBytes: Int, until start: (@escaping () -> Void) -> Void, _ body: @escaping () -> Void
    ) {
        let bytes = requestBytes + Self.heldCallBytes
        guard heldBytes + bytes <= Self.heldBytesMax else { return sink.finish(.requestTooManyRequests) }
        heldBytes += bytes
        let call = HeldCall(body)
        sink.whenEnded { [self] in
            if call.take() != nil { heldBytes -= bytes }
        }
        start { [self] in
            guard let body = call.take() else { return }
            heldBytes -= bytes
            sink.whenEnded {}
            if isStopped { return sink.finish(.stopped) }
            guard sink.isOpen else { return }
            body()
            wake()
        }
    }

    // MARK: Sizes

    /// - Parameter ownBytes: what a transaction may read that it has written itself, at most.
    private func answerSize(of operation: RequestOp, ownBytes: Int) -> AnswerSize {
        switch operation {
        case .put(let put):
            put.prevKV ? answerSize(of: RangeRequest(key: put.key)) : AnswerSize()
        case .deleteRange(let delete):
            delete.prevKV ? answerSize(of: RangeRequest(key: delete.key, rangeEnd: delete.rangeEnd)) : AnswerSize()
        case .range(let range):
            answerSize(of: range)
        case .txn(let txn):
            AnswerSize.larger(
                answerSize(of: txn.success, ownBytes: ownBytes), answerSize(of: txn.failure, ownBytes: ownBytes))
        case .none:
            AnswerSize()
        }
    }

    private func answerSize(of operations: [RequestOp], ownBytes: Int) -> AnswerSize {
        var size = AnswerSize()
        let writes = operations.contains { if case .put = $0 { true } else { false } }
        for operation in operations {
            size.add(answerSize(of: operation, ownBytes: ownBytes))
            if case .range = operation, writes { size.bytes += ownBytes }
        }
        return size
    }

    /// Of pairs as they are now; what others write until the answer is made may be larger.
    private func answerSize(of range: RangeRequest) -> AnswerSize {
        if range.countOnly { return AnswerSize() }
        do throws(MVCCError) {
            if let bytes = try member.view.sizes(range, keysMax: Self.sizedKeysMax) { return AnswerSize(bytes: bytes) }
        } catch {
            // What cannot be read is answered with an error.
            return AnswerSize()
        }
        let limitBytes = Int(clamping: range.limit).multipliedReportingOverflow(by: settings.requestBytesMax)
        if range.limit > 0, !limitBytes.overflow, limitBytes.partialValue <= Self.largeAnswerBytes {
            return AnswerSize(bytes: limitBytes.partialValue)
        }
        return AnswerSize(isLarge: true)
    }
}
