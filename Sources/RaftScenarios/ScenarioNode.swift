// One node of a scenario, with its storage's work and the states it has been in.

import Base
import Raft
import RaftWire

final class ScenarioNode {
    let configuration: RaftConfiguration
    var raft: RaftNode
    /// With asynchronous storage: what is to be saved and to be applied.
    var appendWork: [Message] = []
    var applyWork: [Message] = []
    /// The state after every applied entry: all data so far, and the configuration.
    private(set) var history: [Snapshot]

    init(_ configuration: RaftConfiguration, snapshot: Snapshot, storage: MemoryStorage) throws(RaftError) {
        self.configuration = configuration
        history = [snapshot]
        var storage = storage
        storage.snapshotOffer = .given(snapshot)
        raft = try RaftNode(configuration, storage: storage)
    }

    var id: MemberID { configuration.id }
    var latestState: Snapshot { history[history.count - 1] }

    /// Saves what a Ready, or a message to the append work, says.
    func save(_ hardState: HardState, _ entries: [Entry], _ snapshot: Snapshot?) throws(StorageError) {
        if !hardState.isEmpty { raft.storage.hardState = hardState }
        if let snapshot, !snapshot.isEmpty {
            try raft.storage.applySnapshot(snapshot)
        } else {
            try raft.storage.append(entries)
        }
    }

    /// Applies entries: the state is the concatenation of their data.
    func apply(_ entries: [Entry]) {
        for entry in entries {
            var update = entry.data
            var confState: ConfState?
            switch entry.type {
            case .normal: break
            case .confChange:
                let change = (try? ConfChange(decoding: entry.data)) ?? ConfChange()
                update = change.context
                confState = raft.applyConfChange(change)
            case .confChangeV2:
                let change = (try? ConfChangeV2(decoding: entry.data)) ?? ConfChangeV2()
                update = change.context
                confState = raft.applyConfChange(change)
            }
            let last = latestState
            let state = Snapshot(
                data: Bytes(last.data.array + update.array),
                metadata: SnapshotMetadata(
                    confState: confState ?? last.metadata.confState,
                    index: entry.index,
                    term: entry.term
                )
            )
            history.append(state)
            raft.storage.snapshotOffer = .given(state)
        }
    }
}
