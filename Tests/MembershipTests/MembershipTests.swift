import Base
import Membership
import Testing

@Suite("Membership")
struct MembershipTests {
    @Test("identifiers are those Go etcd computes from the same flags")
    func identifiers() {
        let id = Member.identifier(peerURLs: ["http://localhost:2380"], token: "etcd-cluster")
        #expect(hexadecimal(id) == "8e9e05c52164694d")
        #expect(hexadecimal(Member.clusterIdentifier(of: [id])) == "cdf818194e3a8c32")
    }

    @Test("a member's row is the JSON etcd stores")
    func row() throws {
        let member = Member(id: 10, name: "a", peerURLs: ["http://p"], clientURLs: ["http://c"], isLearner: true)
        #expect(
            member.rowValue.description
                == #"{"id":10,"peerURLs":["http://p"],"isLearner":true,"name":"a","clientURLs":["http://c"]}"#
        )
        #expect(Member(json: try JSONValue(parsing: member.rowValue)) == member)
        #expect(member.rowKey == "a")
    }

    @Test("membership survives the way through rows and through a v2 snapshot")
    func storage() throws {
        var membership = Membership(clusterID: 1, localID: 10)
        membership.insert(Member(id: 20, peerURLs: ["http://q"], isLearner: true))
        membership.insert(Member(id: 10, name: "a", peerURLs: ["http://p"], clientURLs: ["http://c"]))
        membership.remove(30)
        membership.clusterVersion = SemanticVersion(3, 5)

        #expect(Membership(clusterID: 1, localID: 10, v2Snapshot: membership.v2Snapshot) == membership)

        membership.downgrade = DowngradeState(targetVersion: "3.6.0", isEnabled: true)
        var rows = MembershipRows()
        rows.members = membership.members.map { ($0.rowKey, $0.rowValue) }
        rows.removed = [Member.rowKey(30)]
        rows.clusterVersion = "3.5.0"
        rows.downgrade = membership.downgrade.rowValue
        #expect(try Membership(clusterID: 1, localID: 10, rows: rows) == membership)
    }

    @Test("requests that 3.5 leaves in the log are understood")
    func v2Requests() {
        let attributes = V2MembershipChange(
            path: "/0/members/8e9e05c52164694d/attributes",
            value: #"{"name":"n","clientURLs":["http://c"]}"#
        )
        #expect(attributes == .attributes(0x8e9e_05c5_2164_694d, name: "n", clientURLs: ["http://c"]))
        #expect(V2MembershipChange(path: "/0/version", value: "3.5.0") == .clusterVersion(SemanticVersion(3, 5)))
        #expect(V2MembershipChange(path: "/1/key", value: "x") == .unrelated)
    }

    @Test("changes that contradict the membership are refused")
    func checks() {
        var membership = Membership(clusterID: 1, localID: 10)
        membership.insert(Member(id: 10, peerURLs: ["http://p"]))
        membership.insert(Member(id: 11, peerURLs: ["http://l"], isLearner: true))
        membership.remove(12)
        #expect(throws: MembershipError.idRemoved) { try membership.checkAddition(of: Member(id: 12, peerURLs: []), learnersMax: 1) }
        #expect(throws: MembershipError.idExists) { try membership.checkAddition(of: Member(id: 10, peerURLs: []), learnersMax: 1) }
        #expect(throws: MembershipError.peerURLExists) {
            try membership.checkAddition(of: Member(id: 13, peerURLs: ["http://p"]), learnersMax: 1)
        }
        #expect(throws: MembershipError.tooManyLearners) {
            try membership.checkAddition(of: Member(id: 13, peerURLs: ["http://x"], isLearner: true), learnersMax: 1)
        }
        #expect(throws: MembershipError.notLearner) { try membership.checkPromotion(of: 10) }
        #expect(throws: MembershipError.idNotFound) { try membership.checkRemoval(of: 99) }
        #expect(throws: MembershipError.peerURLExists) { try membership.checkUpdate(of: 11, peerURLs: ["http://p"]) }
        #expect(throws: Never.self) { try membership.checkUpdate(of: 10, peerURLs: ["http://p"]) }
    }

    @Test("the cluster version never passes the ceiling, and falls only in a downgrade")
    func versions() {
        let three5 = SemanticVersion(3, 5), three6 = SemanticVersion(3, 6), three7 = SemanticVersion(3, 7)
        let none = DowngradeState()
        #expect(VersionRules.nextClusterVersion(current: nil, lowestMember: .server, downgrade: none, ceiling: nil) == three7)
        #expect(VersionRules.nextClusterVersion(current: nil, lowestMember: .server, downgrade: none, ceiling: three5) == three5)
        #expect(VersionRules.nextClusterVersion(current: three5, lowestMember: .server, downgrade: none, ceiling: nil) == three7)
        #expect(VersionRules.nextClusterVersion(current: three5, lowestMember: .server, downgrade: none, ceiling: three5) == nil)
        #expect(VersionRules.nextClusterVersion(current: three7, lowestMember: three6, downgrade: none, ceiling: nil) == nil)
        let down = DowngradeState(targetVersion: "3.6.0", isEnabled: true)
        #expect(VersionRules.nextClusterVersion(current: three7, lowestMember: three7, downgrade: down, ceiling: nil) == three6)
    }
}
