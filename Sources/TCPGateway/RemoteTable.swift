// Which member gets the next connection: the best priority that has anybody alive, there by weight, else in turn.

/// The members behind a gateway, as a plain value; chance comes in as an argument.
package struct RemoteTable: Sendable {
    /// One member, as an SRV record or an operator names it.
    package struct Remote: Sendable, Equatable {
        package let host: String
        package let port: Int
        /// Lower is better; a worse one is only asked while no better one is alive.
        package let priority: UInt16
        /// The share of connections among members of one priority; 0 where nobody has said.
        package let weight: UInt16

        package init(host: String, port: Int, priority: UInt16 = 0, weight: UInt16 = 0) {
            self.host = host
            self.port = port
            self.priority = priority
            self.weight = weight
        }

        /// `host:port`, with brackets around an IPv6 address.
        package var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    package let remotes: [Remote]
    private var isActive: [Bool]
    private var turn = 0

    /// Beside members with a weight, one without is chosen once in so many times (RFC 2782: "a very small chance").
    private static let unweightedOdds = 100

    package init(_ remotes: [Remote]) {
        self.remotes = remotes
        isActive = remotes.map { _ in true }
    }

    /// - Parameter dice: a number from 0 up to, not including, its argument.
    /// - Returns: the place of a member that is believed alive; nil if none is.
    package mutating func pick(_ dice: (Int) -> Int) -> Int? {
        let alive = remotes.indices.filter { isActive[$0] }
        guard let best = alive.map({ remotes[$0].priority }).min() else { return nil }
        let peers = alive.filter { remotes[$0].priority == best }
        let weighted = peers.filter { remotes[$0].weight > 0 }
        let unweighted = peers.filter { remotes[$0].weight == 0 }
        if weighted.isEmpty || (!unweighted.isEmpty && dice(Self.unweightedOdds) == 0) {
            defer { turn &+= 1 }
            return unweighted[turn % unweighted.count]
        }
        var rest = dice(weighted.reduce(0) { $0 + Int(remotes[$1].weight) })
        for place in weighted {
            rest -= Int(remotes[place].weight)
            if rest < 0 { return place }
        }
        return weighted.last
    }

    package mutating func deactivate(_ place: Int) { isActive[place] = false }
    package mutating func activate(_ place: Int) { isActive[place] = true }

    /// The members that are not asked.
    package var inactive: [Int] { remotes.indices.filter { !isActive[$0] } }
}
