// Calls with large answers that are under way, and those whose turn has not come.

struct Turnstile {
    /// More would only mean more answers in memory: one thread makes them.
    private static let underWayMax = 8

    private var underWay = 0
    private var waiting: ArraySlice<() -> Void> = []

    var isFull: Bool { underWay >= Self.underWayMax }

    /// - Returns: false where it is full.
    mutating func enter() -> Bool {
        guard !isFull else { return false }
        underWay += 1
        return true
    }

    mutating func leave() { underWay -= 1 }

    mutating func wait(_ body: @escaping () -> Void) { waiting.append(body) }

    /// Who may go on, while it is not full; to be run by the caller, as it may enter again.
    mutating func next() -> (() -> Void)? { isFull ? nil : waiting.popFirst() }

    /// Nobody waits any more.
    mutating func takeAll() -> ArraySlice<() -> Void> {
        defer { waiting = [] }
        return waiting
    }
}
