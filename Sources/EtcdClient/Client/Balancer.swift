// Which member is asked next. A plain value: it knows no clock and no connection, so that every decision can be tested.

/// The members of one client, and which of them have failed lately.
struct Balancer: Sendable {
    private(set) var endpoints: [Endpoint]
    let policy: ClientConfiguration.Balancing
    private var next = 0
    private var resting: [Endpoint: ContinuousClock.Instant] = [:]

    /// How long a member that failed is passed over while others are there. Long enough for a restart or an election to
    /// be over, short enough for load to come back soon.
    static let rest = Duration.seconds(1)

    init(endpoints: [Endpoint], policy: ClientConfiguration.Balancing) {
        self.endpoints = endpoints
        self.policy = policy
    }

    /// The member to ask; one that rests only when all do.
    mutating func pick(now: ContinuousClock.Instant) -> Endpoint? {
        guard !endpoints.isEmpty else { return nil }
        for step in 0..<endpoints.count {
            let index = (next + step) % endpoints.count
            if let until = resting[endpoints[index]], until > now { continue }
            return take(index)
        }
        return take(next % endpoints.count)
    }

    private mutating func take(_ index: Int) -> Endpoint {
        next = policy == .roundRobin ? (index + 1) % endpoints.count : index
        return endpoints[index]
    }

    mutating func failed(_ endpoint: Endpoint, now: ContinuousClock.Instant) {
        guard let index = endpoints.firstIndex(of: endpoint) else { return }
        resting[endpoint] = now + Self.rest
        if policy == .sticky, next == index { next = (index + 1) % endpoints.count }
    }

    mutating func answered(_ endpoint: Endpoint) {
        if !resting.isEmpty { resting[endpoint] = nil }
    }

    /// Other members from now on; what is known of those that stay is kept.
    mutating func replace(_ list: [Endpoint]) {
        // A sticky client stays where it is as long as that is one of the members.
        let current = endpoints.isEmpty ? nil : endpoints[next % endpoints.count]
        endpoints = list
        next = current.flatMap { list.firstIndex(of: $0) } ?? 0
        let kept = Set(list)
        resting = resting.filter { kept.contains($0.key) }
    }
}
