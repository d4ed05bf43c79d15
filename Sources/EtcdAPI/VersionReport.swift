// What `/version` says, on the client port and on the peer port.

package import Base
import Membership

extension MemberState {
    /// JSON, as etcd writes it.
    package var versionReport: Bytes {
        Bytes(
            JSONValue.object([
                "etcdserver": .string(SemanticVersion.server.description),
                "etcdcluster": .string(membership.clusterVersion?.description ?? "not_decided"),
                "storage": .string(storageVersion?.description ?? "unknown"),
            ]).encoded)
    }
}
