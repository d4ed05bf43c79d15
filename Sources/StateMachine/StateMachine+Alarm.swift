// Alarms, and what they forbid.

import Base
import Backend
package import EtcdWire

/// Who has raised which alarm, in a fixed order.
package struct AlarmSet: Sendable, Equatable {
    package private(set) var members: [AlarmMember]

    package init(_ members: [AlarmMember] = []) {
        self.members = members.sorted(by: Self.precedes)
    }

    private static func precedes(_ left: AlarmMember, _ right: AlarmMember) -> Bool {
        (left.memberID, left.alarm.rawValue) < (right.memberID, right.alarm.rawValue)
    }

    package func contains(_ alarm: AlarmType) -> Bool { members.contains { $0.alarm == alarm } }

    /// NONE lists all.
    package func list(_ alarm: AlarmType) -> [AlarmMember] {
        alarm == .none ? members : members.filter { $0.alarm == alarm }
    }

    /// False if it was raised already.
    mutating func insert(_ member: AlarmMember) -> Bool {
        if members.contains(member) { return false }
        members.append(member)
        members.sort(by: Self.precedes)
        return true
    }

    mutating func remove(_ member: AlarmMember) -> Bool {
        guard let place = members.firstIndex(of: member) else { return false }
        members.remove(at: place)
        return true
    }
}

extension StateMachine {
    mutating func applyAlarm(_ request: AlarmRequest) -> Reply {
        let member = AlarmMember(memberID: request.memberID, alarm: request.alarm)
        var shown: [AlarmMember] = []
        switch request.action {
        case .get:
            shown = alarms.list(request.alarm)
        case .activate where request.alarm != .none:
            if alarms.insert(member) {
                backend.put(.alarm, key: member.encoded(), value: Bytes())
                events.append(.alarmsChanged)
            }
            shown = [member]
        case .deactivate:
            if alarms.remove(member) {
                backend.delete(.alarm, key: member.encoded())
                events.append(.alarmsChanged)
                shown = [member]
            }
        default: break
        }
        return Reply(revision: 0, body: AlarmResponse(alarms: shown).encoded())
    }

    /// A corrupt cluster serves nothing; one without space takes nothing that needs any.
    func checkAlarms(_ body: InternalRaftRequest.Body) throws(RequestFailure) {
        if alarms.contains(.corrupt) {
            switch body {
            case .put, .range, .deleteRange, .txn, .compaction, .leaseGrant, .leaseRevoke: throw .answer(.corrupt)
            default: break
            }
        }
        if alarms.contains(.noSpace) {
            switch body {
            case .put, .leaseGrant: throw .answer(.noSpace)
            case .txn(let txn) where Quota.cost(txn) > 0: throw .answer(.noSpace)
            default: break
            }
        }
    }
}
