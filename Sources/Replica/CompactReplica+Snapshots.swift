// Snapshots between members: the leader's side pins the file at what is applied, the follower's puts a received database
// in the place of its own.

import BBolt
package import Backend
package import Base
import Membership
import Raft
package import RaftWire
package import StateMachine

extension CompactReplica {
    // MARK: Sending

    /// Raft's message has the position it remembers; what is sent is what is applied now, which is not older.
    mutating func beginSending(_ message: Message) {
        let backend = (index: apply.state.backend.consistentIndex, term: apply.state.backend.consistentTerm)
        guard installing.isEmpty, backend.index >= message.snapshot?.metadata.index ?? 0, let token = sending.begin(message.with(
            Snapshot(
                data: apply.state.membership.v2Snapshot,
                metadata: SnapshotMetadata(confState: confState, index: backend.index, term: backend.term))))
        else {
            consensus.reportSnapshot(message.to, success: false)
            return
        }
        consensus.keepsLog = true
        apply.seal()
        collectApplied()
        outbox.commit.append(.pin(token))
    }

    /// The file is pinned at the index of the snapshot that asked for it.
    package mutating func pinned(_ token: UInt64, _ result: CommitResult) {
        guard let snapshot = sending.pinned(token, result.reader) else { return }
        outbox.snapshots.append(snapshot)
    }

    /// How sending a snapshot ended.
    package mutating func reportSnapshot(_ target: MemberID, success: Bool) {
        sending.ended(target)
        consensus.keepsLog = sending.isBusy
        consensus.reportSnapshot(target, success: success)
    }

    // MARK: Receiving

    /// From here until the new state stands nothing is applied. What was committed and is not applied yet is part of the
    /// snapshot; so are its changes of the configuration, which raft must not hear of again.
    mutating func beginInstall(_ snapshot: Snapshot) {
        installing.append(snapshot)
        apply.beginReplacement()
        snapshotProgress = .idle
        for target in sending.abandonWaiting() { consensus.reportSnapshot(target, success: false) }
        consensus.keepsLog = sending.isBusy
        let overtaken = waiting
        waiting = []
        for committed in overtaken { installResponses += committed.responses }
    }

    /// The received database is the file now.
    package mutating func installed(_ snapshot: Snapshot, _ result: CommitResult) throws(StateLoadError) {
        guard installing.first?.metadata.index == snapshot.metadata.index else { return }
        installing.removeFirst()
        try apply.replace(result, data: snapshot.data, isLast: installing.isEmpty)
        confState = snapshot.metadata.confState
        committedIndex = max(result.consistentIndex, snapshot.metadata.index)
        outbox.snapshotInstalled = snapshot.metadata.index
        consensus.snapshotInstalled(snapshot)
        guard installing.isEmpty else { return }
        let responses = installResponses
        installResponses = []
        for message in responses { consensus.receive(message) }
    }
}

extension Message {
    fileprivate func with(_ snapshot: Snapshot) -> Message {
        var message = self
        message.snapshot = snapshot
        return message
    }
}
