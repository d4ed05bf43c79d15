// Which traces are kept. Who is part of a trace does as the caller did; of others a share is taken by their identity, so
// that all who count the same way take the same ones.

package struct Sampler: Sendable {
    package static let millionth = 1_000_000
    /// Identities whose lower half, without its last bit, is below this are taken.
    private let bound: UInt64
    private let takesAll: Bool

    /// - Parameter perMillion: how many of a million traces that begin here are kept.
    package init(perMillion: Int) {
        takesAll = perMillion >= Self.millionth
        let share = Double(max(0, min(perMillion, Self.millionth))) / Double(Self.millionth)
        bound = takesAll ? .max : UInt64(share * Double(UInt64(1) << 63))
    }

    package func takes(_ trace: TraceID, parent: TraceContext?) -> Bool {
        if let parent { return parent.isSampled }
        return takesAll || trace.low >> 1 < bound
    }
}
