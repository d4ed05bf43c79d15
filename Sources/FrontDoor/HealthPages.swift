// `/health`, and `/livez` and `/readyz`: what load balancers and orchestrators ask.

import Base
import EtcdAPI
package import EtcdWire
import Membership
import Raft
import StateMachine

/// A named check, of `/livez` or of `/readyz`.
package struct HealthCheck: Hashable, Sendable {
    package let group: String
    package let name: String
}

/// How a check has come out so far.
package struct HealthRecord: Sendable {
    package fileprivate(set) var isPassed = false
    package fileprivate(set) var successes: UInt64 = 0
    package fileprivate(set) var failures: UInt64 = 0
}

/// What is worth a line of the log.
package enum HealthNews: Sendable {
    /// `/health` was asked by another method than GET.
    case wrongMethod
    case alarm(AlarmMember)
    case noLeader
    case rangeFailed(String)
    /// What `/health` answered.
    case unhealthy(String)
    /// A page of checks was asked by another method than GET.
    case wrongMethodOfChecks(path: String)
    case checksFailed(path: String, reason: String)
    /// Checks that were to be left out and do not exist.
    case unknownChecks([String])
}

struct HealthPage {
    private let door: FrontDoor

    init(_ door: FrontDoor) {
        self.door = door
    }

    func answer(_ request: HTTPRequest, _ responder: any HTTPResponder) {
        guard request.method == "GET" else {
            door.healthNews(.wrongMethod)
            return responder.text(405, "Method Not Allowed\n", [("Allow", "GET")])
        }
        let excluded = request.query("exclude")
        let isSerializable = request.query("serializable").first == "true"
        let member = door.lane.memberState
        for alarm in member.alarms.members where !excluded.contains(alarm.alarm.name) {
            door.healthNews(.alarm(alarm))
            return answer(responder, "ALARM \(alarm.alarm.name)")
        }
        if !isSerializable, member.raftStatus.lead == 0 {
            door.healthNews(.noLeader)
            return answer(responder, "RAFT NO LEADER")
        }
        door.lane.probe(isSerializable: isSerializable) { outcome in
            guard case .failure(let error) = outcome else { return answer(responder, "") }
            door.healthNews(.rangeFailed(error.message))
            answer(responder, "RANGE ERROR:\(error.message)")
        }
    }

    /// - Parameter reason: why the member is not healthy; empty if it is.
    private func answer(_ responder: any HTTPResponder, _ reason: String) {
        let isHealthy = reason.isEmpty
        if isHealthy { door.healthSuccesses += 1 } else { door.healthFailures += 1 }
        let json = JSONValue.object(["health": .string(isHealthy ? "true" : "false"), "reason": .string(reason)]).encoded
        guard !isHealthy else {
            return responder.respond(200, [("Content-Type", "text/plain; charset=utf-8")], Bytes(json))
        }
        let text = String(decoding: json, as: UTF8.self)
        door.healthNews(.unhealthy(text))
        responder.text(503, text + "\n")
    }
}

/// The checks of a page, or the one that its path names.
struct HealthChecks {
    private static let names = [
        "livez": ["serializable_read"],
        "readyz": ["data_corruption", "serializable_read", "linearizable_read", "non_learner"],
    ]

    private let path: String
    private let group: String
    private let names: [String]
    private let isWholePage: Bool

    /// Nil if there are no checks at this path.
    init?(path: String) {
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard path.hasPrefix("/"), (1...2).contains(parts.count), let all = Self.names[String(parts[0])] else { return nil }
        self.path = path
        group = String(parts[0])
        isWholePage = parts.count == 1
        names = isWholePage ? all : all.filter { $0 == parts[1] }
        if names.isEmpty { return nil }
    }

    func answer(_ request: HTTPRequest, _ responder: any HTTPResponder, _ door: FrontDoor) {
        guard request.method == "GET" else {
            door.healthNews(.wrongMethodOfChecks(path: path))
            return responder.text(405, "Method Not Allowed\n", [("Allow", "GET")])
        }
        var wanted = names
        if isWholePage {
            let excluded = Set(request.query("exclude").filter { !$0.isEmpty })
            wanted.removeAll { excluded.contains($0) }
            let unknown = excluded.subtracting(names).sorted()
            if !unknown.isEmpty { door.healthNews(.unknownChecks(unknown)) }
        }
        let isVerbose = !request.query("verbose").isEmpty
        run(wanted[...], door, "", isPassed: true) { lines, isPassed in
            if isPassed { return responder.text(200, isVerbose ? lines + "ok\n" : "ok\n") }
            door.healthNews(.checksFailed(path: path, reason: lines))
            // The page ends as every text of an error does: with an end of line of its own.
            responder.text(503, lines + "\n")
        }
    }

    /// One check after the other.
    private func run(
        _ names: ArraySlice<String>, _ door: FrontDoor, _ lines: String, isPassed: Bool,
        _ finish: @escaping (_ lines: String, _ isPassed: Bool) -> Void
    ) {
        guard let name = names.first else { return finish(lines, isPassed) }
        let next: (String?) -> Void = { reason in
            door.healthChecks[HealthCheck(group: group, name: name), default: HealthRecord()].note(isPassed: reason == nil)
            let line = reason.map { "[-]\(name) failed: \($0)\n" } ?? "[+]\(name) ok\n"
            run(names.dropFirst(), door, lines + line, isPassed: isPassed && reason == nil, finish)
        }
        let member = door.lane.memberState
        switch name {
        case "data_corruption": next(member.alarms.contains(.corrupt) ? "alarm activated: CORRUPT" : nil)
        case "non_learner": next(member.membership.isLocalLearner ? "not supported for learner" : nil)
        default:
            door.lane.probe(isSerializable: name == "serializable_read") { outcome in
                if case .failure(let error) = outcome { next(error.message) } else { next(nil) }
            }
        }
    }
}

extension HealthRecord {
    fileprivate mutating func note(isPassed: Bool) {
        self.isPassed = isPassed
        if isPassed { successes += 1 } else { failures += 1 }
    }
}
