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
        let keeps = limits.keepsCheckpoints(membership.clusterVersion)
        for checkpoint in request.checkpoints {
            guard let lease = lessor.checkpoint(checkpoint.id, remainingTTL: checkpoint.remainingTTL, now: now) else { continue }
            // That all is left again is stored in any case: a row from the time of a higher version may say less, and the row
            // of a lease without a checkpoint is what every version stores.
            if keeps || lease.checkpointedTTL == 0 {
                backend.put(.lease, key: Lease.rowKey(lease.id), value: lease.rowValue)
            }
        }
        return Reply(revision: store.currentRevision)
    }
}

extension StateMachineLimits {
    /// Whether the file holds what leases have left: in clusters of 3.6 on; in older ones where it is asked for.
    func keepsCheckpoints(_ clusterVersion: SemanticVersion?) -> Bool {
        persistsLeaseCheckpoints || (clusterVersion ?? SemanticVersion(3, 5)) >= SemanticVersion(3, 6)
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
