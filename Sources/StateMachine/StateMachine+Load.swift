// The state as a file holds it.

import Auth
package import BBolt
import Backend
package import Base
import EtcdWire
import Lease
package import MVCC
package import Membership

/// Why a file is no state to start from.
package enum StateLoadError: Error, Sendable {
    case file(BBoltError)
    case store(MVCCError)
    case membership(MembershipRowError)
    case malformedRow(bucket: String, key: String)
}

extension StateMachine {
    /// Reads everything that `reader` shows; the identifiers come from the WAL.
    package static func load(
        _ reader: ReadTransaction, clusterID: ClusterID, localID: MemberID, minimumTTL: Int64, limits: StateMachineLimits
    ) throws(StateLoadError) -> StateMachine {
        let meta = try onFile { () throws(BBoltError) in try StoredMeta(reader) }
        let membership = try loadMembership(reader, clusterID, localID)
        var lessor = Lessor(minimumTTL: minimumTTL, checkpointInterval: limits.leaseCheckpointInterval)
        let keepsCheckpoints = limits.keepsCheckpoints(membership.clusterVersion)
        for (key, value) in try rows(of: .lease, reader) {
            guard var lease = try? Lease(row: value) else { throw .malformedRow(bucket: "lease", key: "\(key)") }
            // A row from another time may tell of less than there is.
            if !keepsCheckpoints { lease.checkpointedTTL = 0 }
            lessor.load(lease)
        }
        // Leases before keys: an attachment needs its lease.
        var store = Store()
        do throws(MVCCError) {
            for attachment in try store.restore(reader) { lessor.attach(attachment.key, to: attachment.lease) }
        } catch {
            throw .store(error)
        }
        let auth = try loadAuth(reader)
        var alarms: [AlarmMember] = []
        for (key, _) in try rows(of: .alarm, reader) {
            guard let alarm = try? AlarmMember(decoding: key) else { throw .malformedRow(bucket: "alarm", key: "\(key)") }
            alarms.append(alarm)
        }
        let backend = try onFile { () throws(BBoltError) in try Backend(reader: reader) }
        var state = StateMachine(
            backend: backend, store: store, lessor: lessor, auth: auth, membership: membership, alarms: AlarmSet(alarms),
            storageVersion: meta.storageVersion, limits: limits)
        state.databaseSizeBytes = reader.sizeBytes
        state.initializeAuth()
        return state
    }

    /// The state of another file for the same member: what a leader's snapshot brings.
    package func successor(_ reader: ReadTransaction) throws(StateLoadError) -> StateMachine {
        try StateMachine.load(
            reader, clusterID: membership.clusterID, localID: membership.localID, minimumTTL: lessor.minimumTTL, limits: limits)
    }

    private static func rows(of bucket: Bucket, _ reader: ReadTransaction) throws(StateLoadError) -> [(key: Bytes, value: Bytes)] {
        try onFile { () throws(BBoltError) in try reader.rows(of: bucket) }
    }

    private static func loadAuth(_ reader: ReadTransaction) throws(StateLoadError) -> AuthStore {
        var isEnabled = false
        var revision: UInt64 = 0
        for (key, value) in try rows(of: .auth, reader) {
            if key == AuthStore.enabledKey { isEnabled = value.count == 1 && value[0] == 1 }
            if key == AuthStore.revisionKey, value.count == 8 {
                revision = value.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
            }
        }
        var users: [User] = []
        for (key, value) in try rows(of: .authUsers, reader) {
            guard let user = try? User(decoding: value) else { throw .malformedRow(bucket: "authUsers", key: "\(key)") }
            users.append(user)
        }
        var roles: [Role] = []
        for (key, value) in try rows(of: .authRoles, reader) {
            guard let role = try? Role(decoding: value) else { throw .malformedRow(bucket: "authRoles", key: "\(key)") }
            roles.append(role)
        }
        return AuthStore(isEnabled: isEnabled, revision: revision, users: users, roles: roles)
    }

    private static func loadMembership(
        _ reader: ReadTransaction, _ clusterID: ClusterID, _ localID: MemberID
    ) throws(StateLoadError) -> Membership {
        var rows = MembershipRows()
        rows.members = try self.rows(of: .members, reader)
        rows.removed = try self.rows(of: .membersRemoved, reader).map(\.key)
        for (key, value) in try self.rows(of: .cluster, reader) {
            if key == Membership.clusterVersionKey { rows.clusterVersion = value }
            if key == Membership.downgradeKey { rows.downgrade = value }
        }
        do throws(MembershipRowError) {
            return try Membership(clusterID: clusterID, localID: localID, rows: rows)
        } catch {
            throw .membership(error)
        }
    }

    /// A new file gets its first auth revision.
    private mutating func initializeAuth() {
        for row in auth.initializeRevision() {
            if let value = row.value { backend.put(.auth, key: row.key, value: value) }
        }
    }
}

private func onFile<R: ~Copyable>(_ body: () throws(BBoltError) -> R) throws(StateLoadError) -> R {
    do throws(BBoltError) { return try body() } catch { throw .file(error) }
}
