// Leases: granting, revoking with all that hangs on them, checkpoints.

import Membership
import Backend
import Base
import EtcdWire
package import Lease
import MVCC

extension StateMachine {
    mutating func applyGrant(_ request: LeaseGrantRequest, now: Instant) throws(RequestFailure) -> Reply {
        let hadRoom = hasRoom(for: Quota.leaseCost)
        let lease: Lease
        do throws(LeaseError) {
            lease = try lessor.grant(request.id, ttl: request.ttl, now: now)
        } catch {
            throw .answer(EtcdError(error))
        }
        backend.put(.lease, key: Lease.rowKey(lease.id), value: lease.rowValue)
        try noteQuota(hadRoom)
        return Reply(
            revision: store.currentRevision, body: LeaseGrantResponse(id: lease.id, ttl: lease.grantedTTL).encoded())
    }

    mutating func applyRevoke(_ request: LeaseRevokeRequest) throws(RequestFailure) -> Reply {
        let lease: Lease
        do throws(LeaseError) {
            lease = try lessor.revoke(request.id)
        } catch {
            throw .answer(EtcdError(error))
        }
        store.begin()
        for key in lease.sortedKeys {
            _ = store.deleteRange(KeyRange(key: key), in: &backend)
        }
        endTransaction()
        backend.delete(.lease, key: Lease.rowKey(lease.id))
        return Reply(revision: store.currentRevision)
    }

    mutating func applyCheckpoints(_ request: LeaseCheckpointRequest, now: Instant) -> Reply {
        for checkpoint in request.checkpoints {
            guard let lease = lessor.checkpoint(checkpoint.id, remainingTTL: checkpoint.remainingTTL, now: now) else { continue }
            // Versions before 3.6 do not keep what is left.
            if (membership.clusterVersion ?? SemanticVersion(3, 5)) >= SemanticVersion(3, 6) {
                backend.put(.lease, key: Lease.rowKey(lease.id), value: lease.rowValue)
            }
        }
        return Reply(revision: store.currentRevision)
    }
}

extension EtcdError {
    package init(_ error: LeaseError) {
        self =
            switch error {
            case .notFound: .leaseNotFound
            case .exists: .leaseExist
            case .ttlTooLarge: .leaseTTLTooLarge
            case .notPrimary: .notPrimary
            }
    }
}
