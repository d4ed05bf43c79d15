// All checkers of a run.

struct Checkers {
    var elections = ElectionSafety()
    var matching = LogMatching()
    var committed = CommittedLog()
    var completeness = LeaderCompleteness()
    var equality = StateEquality()
    var monotonicity = Monotonicity()
    var durability = Durability()
    var reference = ReferenceStore()
    var answers = Linearizability()
    var leases = LeasePromises()
    var watches = WatchCompleteness()
}
