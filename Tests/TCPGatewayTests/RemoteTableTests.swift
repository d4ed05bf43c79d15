// Which member a gateway chooses.

import TCPGateway
import Testing

@Suite("Gateway: the choice of a member")
struct RemoteTableTests {
    func picks(_ table: inout RemoteTable, _ count: Int, dice: (Int) -> Int = { _ in 1 }) -> [Int?] {
        (0..<count).map { _ in table.pick(dice) }
    }

    @Test("members without weights take turns, and the dead are left out")
    func turns() {
        var table = RemoteTable((0..<3).map { .init(host: "m\($0)", port: 2379) })
        #expect(picks(&table, 6) == [0, 1, 2, 0, 1, 2])
        table.deactivate(1)
        #expect(Set(picks(&table, 4)) == [0, 2])
        table.activate(1)
        #expect(Set(picks(&table, 3)) == [0, 1, 2])
    }

    @Test("a worse priority is only asked when no better one is alive")
    func priorities() {
        var table = RemoteTable([.init(host: "b", port: 1, priority: 2), .init(host: "a", port: 1, priority: 1)])
        #expect(picks(&table, 3) == [1, 1, 1])
        table.deactivate(1)
        #expect(picks(&table, 2) == [0, 0])
        table.deactivate(0)
        #expect(picks(&table, 1) == [nil])
    }

    @Test("weights are shares")
    func weights() {
        let table = RemoteTable([.init(host: "a", port: 1, weight: 1), .init(host: "b", port: 1, weight: 3)])
        var chosen = [0, 0]
        for number in 0..<4 {
            var copy = table
            if let place = copy.pick({ _ in number }) { chosen[place] += 1 }
        }
        #expect(chosen == [1, 3])
    }

    @Test("beside weights, a member without one is chosen rarely")
    func unweighted() {
        var table = RemoteTable([.init(host: "a", port: 1, weight: 5), .init(host: "b", port: 1)])
        #expect(table.pick { _ in 0 } == 1)
        #expect(table.pick { _ in 1 } == 0)
    }
}
