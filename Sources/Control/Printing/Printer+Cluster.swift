// Answers about members, endpoints, alarms.

import CommandLineKit
package import EtcdWire
package import SwiftProtobuf

/// What one endpoint answered about its health.
package struct EndpointHealth: Sendable {
    package var endpoint: String
    package var isHealthy: Bool
    package var took: String
    package var error: String
}

extension Printer {
    func memberRows(_ members: [Etcdserverpb_Member]) -> [[String]] {
        members.map {
            [
                hex($0.id), $0.name.isEmpty ? "unstarted" : "started", $0.name, $0.peerUrls.joined(separator: ","),
                $0.clientUrls.joined(separator: ","), "\($0.isLearner)",
            ]
        }
    }

    package func members(_ answer: Etcdserverpb_MemberListResponse) throws -> [UInt8] {
        let rows = memberRows(answer.members)
        return try bytes(
            answer,
            simple: rows.map { $0.joined(separator: ", ") + "\n" }.joined(),
            fields: {
                header(answer.header)
                    + answer.members.map { member in
                        "\"ID\" : \(id(member.id))\n\"Name\" : \(member.name.quoted)\n"
                            + member.peerUrls.map { "\"PeerURL\" : \($0.quoted)\n" }.joined()
                            + member.clientUrls.map { "\"ClientURL\" : \($0.quoted)\n" }.joined()
                            + "\"IsLearner\" : \(member.isLearner)\n\n"
                    }.joined()
            },
            table: { table(["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"], rows) },
            json: isHex ? { hexMembers(answer.header, nil, answer.members) } : nil
        )
    }

    /// An answer about a change of members.
    package func memberChange(
        _ message: some SwiftProtobuf.Message,
        simple: String,
        header head: Etcdserverpb_ResponseHeader,
        member: Etcdserverpb_Member? = nil,
        members: [Etcdserverpb_Member]
    ) throws -> [UInt8] {
        try bytes(message, simple: simple, json: isHex ? { hexMembers(head, member, members) } : nil)
    }

    private func hexMembers(
        _ head: Etcdserverpb_ResponseHeader,
        _ member: Etcdserverpb_Member?,
        _ members: [Etcdserverpb_Member]
    ) -> String {
        func text(_ member: Etcdserverpb_Member) -> String {
            var text = "{\"ID\":\"\(hex(member.id))\""
            if !member.name.isEmpty { text += ",\"name\":\(jsonText(member.name))" }
            if !member.peerUrls.isEmpty {
                text += ",\"peerURLs\":[\(member.peerUrls.map(jsonText).joined(separator: ","))]"
            }
            if !member.clientUrls.isEmpty {
                text += ",\"clientURLs\":[\(member.clientUrls.map(jsonText).joined(separator: ","))]"
            }
            if member.isLearner { text += ",\"isLearner\":true" }
            return text + "}"
        }
        var header = "{\"cluster_id\":\"\(hex(head.clusterID))\",\"member_id\":\"\(hex(head.memberID))\""
        if head.revision != 0 { header += ",\"revision\":\(head.revision)" }
        if head.raftTerm != 0 { header += ",\"raft_term\":\(head.raftTerm)" }
        return "{\"header\":\(header)}" + (member.map { ",\"member\":\(text($0))" } ?? "")
            + ",\"members\":[\(members.map(text).joined(separator: ","))]}"
    }

    package func health(_ list: [EndpointHealth]) throws -> (out: String, error: String) {
        switch format {
        case .simple:
            return (
                list.filter { $0.error.isEmpty }.map {
                    "\($0.endpoint) is healthy: successfully committed proposal: took = \($0.took)\n"
                }.joined(),
                list.filter { !$0.error.isEmpty }.map {
                    "\($0.endpoint) is unhealthy: failed to commit proposal: \($0.error)\n"
                }.joined()
            )
        case .json:
            let rows = list.map {
                "{\"endpoint\":\(jsonText($0.endpoint)),\"health\":\($0.isHealthy),\"took\":\(jsonText($0.took))"
                    + ($0.error.isEmpty ? "" : ",\"error\":\(jsonText($0.error))") + "}"
            }
            return (self.list(rows) + "\n", "")
        case .fields:
            return (
                list.map {
                    "\"Endpoint\" : \($0.endpoint.quoted)\n\"Health\" : \($0.isHealthy)\n\"Took\" : \($0.took)\n\"Error\" : \($0.error)\n\n"
                }.joined(), ""
            )
        case .table:
            return (
                table(
                    ["endpoint", "health", "took", "error"],
                    list.map { [$0.endpoint, "\($0.isHealthy)", $0.took, $0.error] }
                ), ""
            )
        case .protobuf: throw unsupported()
        }
    }

    package func status(_ list: [(endpoint: String, answer: Etcdserverpb_StatusResponse)]) throws -> String {
        let rows = list.map { endpoint, answer -> [String] in
            let unused = answer.dbSize > 0 ? 100 - answer.dbSizeInUse * 100 / answer.dbSize : 0
            return [
                endpoint, hex(answer.header.memberID), answer.version, answer.storageVersion, humanSize(answer.dbSize),
                humanSize(answer.dbSizeInUse), "\(unused)%", humanSize(answer.dbSizeQuota),
                "\(answer.leader == answer.header.memberID)", "\(answer.isLearner)", "\(answer.raftTerm)",
                "\(answer.raftIndex)",
                "\(answer.raftAppliedIndex)", answer.errors.joined(separator: ", "), answer.downgradeInfo.targetVersion,
                "\(answer.downgradeInfo.enabled)",
            ]
        }
        switch format {
        case .simple: return rows.map { $0.joined(separator: ", ") + "\n" }.joined()
        case .json:
            return try self.list(
                list.map { "{\"Endpoint\":\(jsonText($0.endpoint)),\"Status\":\(try json($0.answer))}" }
            ) + "\n"
        case .table:
            return table(
                [
                    "endpoint", "ID", "version", "storage version", "db size", "in use", "percentage not in use",
                    "quota", "is leader",
                    "is learner", "raft term", "raft index", "raft applied index", "errors", "downgrade target version",
                    "downgrade enabled",
                ],
                rows
            )
        case .fields:
            return list.map { endpoint, answer in
                header(answer.header)
                    + "\"Version\" : \(answer.version.quoted)\n\"StorageVersion\" : \(answer.storageVersion.quoted)\n"
                    + "\"DBSize\" : \(answer.dbSize)\n\"DBSizeInUse\" : \(answer.dbSizeInUse)\n\"DBSizeQuota\" : \(answer.dbSizeQuota)\n"
                    + "\"Leader\" : \(answer.leader)\n\"IsLearner\" : \(answer.isLearner)\n\"RaftIndex\" : \(answer.raftIndex)\n"
                    + "\"RaftTerm\" : \(answer.raftTerm)\n\"RaftAppliedIndex\" : \(answer.raftAppliedIndex)\n"
                    + "\"Errors\" : [\(answer.errors.joined(separator: " "))]\n\"Endpoint\" : \(endpoint.quoted)\n"
                    + "\"DowngradeTargetVersion\" : \(answer.downgradeInfo.targetVersion.quoted)\n"
                    + "\"DowngradeEnabled\" : \(answer.downgradeInfo.enabled)\n\n"
            }.joined()
        case .protobuf: throw unsupported()
        }
    }

    package func hashKV(_ list: [(endpoint: String, answer: Etcdserverpb_HashKVResponse)]) throws -> String {
        let rows = list.map { [$0.endpoint, "\($0.answer.hash)", "\($0.answer.hashRevision)"] }
        switch format {
        case .simple: return rows.map { $0.joined(separator: ", ") + "\n" }.joined()
        case .json:
            return try self.list(
                list.map { "{\"Endpoint\":\(jsonText($0.endpoint)),\"HashKV\":\(try json($0.answer))}" }
            ) + "\n"
        case .table: return table(["endpoint", "hash", "hash_revision"], rows)
        case .fields:
            return list.map {
                header($0.answer.header) + "\"Endpoint\" : \($0.endpoint.quoted)\n\"Hash\" : \($0.answer.hash)\n"
                    + "\"HashRevision\" : \($0.answer.hashRevision)\n\n"
            }.joined()
        case .protobuf: throw unsupported()
        }
    }

    package func alarms(_ answer: Etcdserverpb_AlarmResponse) throws -> [UInt8] {
        func name(_ alarm: Etcdserverpb_AlarmType) -> String {
            switch alarm {
            case .none: "NONE"
            case .nospace: "NOSPACE"
            case .corrupt: "CORRUPT"
            case .UNRECOGNIZED(let number): "\(number)"
            }
        }
        return try bytes(
            answer,
            simple: answer.alarms.map { "memberID:\($0.memberID) alarm:\(name($0.alarm))\n" }.joined(),
            fields: {
                header(answer.header)
                    + answer.alarms.map { "\"MemberID\" : \(id($0.memberID))\n\"AlarmType\" : \(name($0.alarm))\n\n" }
                    .joined()
            }
        )
    }
}
