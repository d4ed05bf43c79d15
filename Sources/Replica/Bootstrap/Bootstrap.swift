// Carrying the plan out: one straight pass from the directory to lanes that are ready to run. Blocks; done before any
// lane runs.

import MVCC
package import BBolt
import Backend
package import Base
import EtcdWire
package import FileIO
import Membership
import Raft
import RaftLog
import RaftWire
import StateMachine
import Wire

/// What an operator is told on the way.
package enum BootstrapEvent: Sendable {
    case openedBackend(path: String)
    case restoredConsistentIndex(LogIndex)
    case startingLocalMember(MemberID, ClusterID)
    case restartingLocalMember(MemberID, ClusterID, commit: LogIndex)
    case forcingRestart(MemberID, ClusterID, walCommit: LogIndex, commit: LogIndex)
    case repairedLog(String)
    case storeRestored(revision: Int64)
    case removedTemporary(String)
}

package struct BootstrappedMember: ~Copyable {
    package var replica: CompactReplica
    package var log: LogLane
    package var commit: CommitLane
    package let localID: MemberID
    package let clusterID: ClusterID
    /// Whether the member's data were there already.
    package let wasInitialized: Bool

    package let statistics: DatabaseStatistics

    /// Takes the member apart, for its lanes live in different places.
    package consuming func split<R>(
        _ body: (consuming CompactReplica, consuming sending LogLane, consuming sending CommitLane) throws -> R
    ) rethrows -> R {
        try body(replica, log, commit)
    }
}

package struct Bootstrap {
    private let settings: BootstrapSettings
    private let fileSystem: any FileSystem
    private let note: (BootstrapEvent) -> Void

    package init(_ settings: BootstrapSettings, fileSystem: any FileSystem, note: @escaping (BootstrapEvent) -> Void) {
        self.settings = settings
        self.fileSystem = fileSystem
        self.note = note
    }

    package func run() throws(BootstrapError) -> BootstrappedMember {
        let hasLog = try prepareDirectories()
        if hasLog { try adoptReceivedDatabase() }
        let committer = try openBackend()
        switch BootstrapPlan(hasLog: hasLog, settings: settings) {
        case .newCluster: return try startNew(committer)
        case .restart: return try restart(committer, forcing: false)
        case .forceNewCluster: return try restart(committer, forcing: true)
        case .joinCluster: return try join(committer)
        }
    }

    // MARK: Directory and file

    private func prepareDirectories() throws(BootstrapError) -> Bool {
        do throws(FileError) {
            try fileSystem.createDirectory(settings.memberDirectory, mode: 0o700)
            try fileSystem.createDirectory(settings.snapshotDirectory, mode: 0o700)
            // The log's directory makes itself durable, but not the ones above it.
            try fileSystem.syncDirectory(parentDirectory(of: settings.memberDirectory))
            try fileSystem.syncDirectory(settings.memberDirectory)
            for name in try snapshots.removeTemporaries() { note(.removedTemporary(name)) }
            return try WALDirectory.holdsLog(fileSystem, settings.walDirectory)
        } catch {
            throw BootstrapError("\(error)")
        }
    }

    private var snapshots: SnapshotFiles { SnapshotFiles(fileSystem, directory: settings.snapshotDirectory) }

    private var databaseOptions: DatabaseOptions {
        var options = DatabaseOptions()
        options.noSync = settings.unsafeNoSync
        options.locksMemory = settings.locksDatabaseMemory
        if let step = settings.databaseGrowStepBytes { options.growStepBytes = step }
        return options
    }

    /// Finishes what a crash interrupted: the WAL speaks of a leader's snapshot, but its database has not taken the
    /// file's place yet.
    private func adoptReceivedDatabase() throws(BootstrapError) {
        do throws(WALError) {
            guard let newest = try WriteAheadLog.validSnapshots(fileSystem, settings.walDirectory).last else { return }
            do throws(FileError) {
                guard try snapshots.hasDatabase(index: newest.index) else { return }
                if try storedIndex() < newest.index {
                    try snapshots.adoptDatabase(index: newest.index, as: settings.databasePath)
                }
            } catch {
                throw .file(error)
            }
        } catch {
            throw BootstrapError("failed to recover the snapshot database: \(error)")
        }
    }

    /// How far the file has applied; 0 without one, or where it cannot be read, for a better one is at hand.
    private func storedIndex() throws(FileError) -> LogIndex {
        guard try fileSystem.exists(settings.databasePath) else { return 0 }
        guard let committer = try? Committer(path: settings.databasePath, fileSystem: fileSystem, options: databaseOptions)
        else { return 0 }
        let index = (try? StoredMeta(committer.beginRead()))?.consistentIndex ?? 0
        committer.close()
        return index
    }

    private func openBackend() throws(BootstrapError) -> Committer {
        do throws(BBoltError) {
            let committer = try Committer(path: settings.databasePath, fileSystem: fileSystem, options: databaseOptions)
            note(.openedBackend(path: settings.databasePath))
            return committer
        } catch {
            throw BootstrapError("failed to open backend: \(error)")
        }
    }

    private var logOptions: WriteAheadLog.Options {
        var options = WriteAheadLog.Options(unsafeNoSynchronization: settings.unsafeNoSync)
        if let size = settings.logSegmentSizeBytes { options.segmentSizeBytes = size }
        return options
    }

    // MARK: A new cluster

    private func startNew(_ committer: consuming Committer) throws(BootstrapError) -> BootstrappedMember {
        let members = settings.initialMembers.map { member in
            Member(
                id: Member.identifier(peerURLs: member.peerURLs, token: settings.token), name: member.name,
                peerURLs: member.peerURLs.sorted())
        }
        guard let local = members.first(where: { $0.name == settings.name }) else {
            throw BootstrapError("couldn't find local name \"\(settings.name)\" in the initial cluster configuration")
        }
        let clusterID = Member.clusterIdentifier(of: members.map(\.id))
        note(.restoredConsistentIndex(0))

        // The log begins with its members, as if a leader of term 1 had added them.
        let entries = members.sorted { $0.id < $1.id }.enumerated().map { position, member in
            var context = member
            context.clientURLs = []
            let change = ConfChange(type: .addNode, nodeID: member.id, context: Bytes(context.json.encoded))
            return Entry(term: 1, index: LogIndex(position) + 1, type: .confChange, data: change.encoded())
        }
        let hardState = HardState(term: 1, vote: 0, commit: LogIndex(entries.count))
        let log: WriteAheadLog
        do throws(WALError) {
            var created = try WriteAheadLog.create(
                fileSystem, settings.walDirectory,
                metadata: LogMetadata(memberID: local.id, clusterID: clusterID).encoded(), options: logOptions)
            try created.save(entries, hardState)
            log = created
        } catch {
            throw BootstrapError("failed to create WAL: \(error)")
        }
        note(.startingLocalMember(local.id, clusterID))
        var storage = MemoryStorage(hardState: hardState)
        try? storage.append(entries)
        return try assemble(
            committer, log, storage, localID: local.id, clusterID: clusterID, snapshotIndex: 0, wasInitialized: false)
    }

    // MARK: A cluster that runs already

    /// Begins with nothing: the leader sends the log from its first entry on, or a snapshot.
    private func join(_ committer: consuming Committer) throws(BootstrapError) -> BootstrappedMember {
        guard let cluster = settings.existingCluster else {
            throw BootstrapError("cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs")
        }
        guard let wanted = settings.initialMembers.first(where: { $0.name == settings.name }) else {
            throw BootstrapError("couldn't find local name \"\(settings.name)\" in the initial cluster configuration")
        }
        let urls = wanted.peerURLs.sorted()
        guard let local = cluster.members.first(where: { $0.peerURLs.sorted() == urls }) else {
            throw BootstrapError("error validating peerURLs \(urls): the member is not part of the cluster \(cluster.id)")
        }
        note(.restoredConsistentIndex(0))
        let log: WriteAheadLog
        do throws(WALError) {
            log = try WriteAheadLog.create(
                fileSystem, settings.walDirectory,
                metadata: LogMetadata(memberID: local.id, clusterID: cluster.id).encoded(), options: logOptions)
        } catch {
            throw BootstrapError("failed to create WAL: \(error)")
        }
        note(.startingLocalMember(local.id, cluster.id))
        return try assemble(
            committer, log, MemoryStorage(), localID: local.id, clusterID: cluster.id, snapshotIndex: 0, wasInitialized: false)
    }

    // MARK: A member that was here before

    private func restart(_ committer: consuming Committer, forcing: Bool) throws(BootstrapError) -> BootstrappedMember {
        let reader = committer.beginRead()
        let meta: StoredMeta
        do throws(BBoltError) { meta = try StoredMeta(reader) } catch { throw BootstrapError("\(error)") }
        try checkSchema(meta)
        note(.restoredConsistentIndex(meta.consistentIndex))

        let start = try startingPoint(meta)
        var log: WriteAheadLog
        let metadata: LogMetadata
        do throws(WALError) {
            log = try WriteAheadLog.open(fileSystem, settings.walDirectory, at: start, options: logOptions)
        } catch {
            throw BootstrapError("failed to read WAL, cannot be repaired: \(error)")
        }
        guard let contents = log.takeContents() else { throw BootstrapError("failed to read WAL") }
        if let damage = contents.tornTail { note(.repairedLog("\(damage)")) }
        do throws(WireError) {
            metadata = try LogMetadata(decoding: contents.metadata)
        } catch {
            throw BootstrapError("failed to read WAL: its metadata in \(settings.walDirectory) is malformed")
        }

        var hardState = contents.hardState
        var entries = contents.entries
        var confState = try confState(reader, start)
        if forcing {
            try force(&log, &hardState, &entries, &confState, metadata, meta)
        } else {
            note(.restartingLocalMember(metadata.memberID, metadata.clusterID, commit: hardState.commit))
        }
        hardState.commit = max(hardState.commit, start.index)
        let position = Snapshot(metadata: SnapshotMetadata(confState: confState, index: start.index, term: start.term))
        var storage = MemoryStorage(hardState: hardState, snapshot: position)
        do throws(StorageError) {
            try storage.append(entries)
        } catch {
            throw BootstrapError("the WAL's entries do not follow the snapshot at index \(start.index)")
        }
        return try assemble(
            committer, log, storage, localID: metadata.memberID, clusterID: metadata.clusterID, snapshotIndex: start.index,
            wasInitialized: true, applied: meta.consistentIndex
        ) { $0.adoptV2Store(snapshotData(start), entries: entries.lazy.filter { $0.index <= meta.consistentIndex }) }
    }

    /// A snapshot file that is not there, or damaged, is no obstacle, and has no data: the database has the keys.
    private func snapshotData(_ position: WALSnapshot) -> Bytes {
        (try? snapshots.read(SnapshotFiles.name(term: position.term, index: position.index)))?.data ?? Bytes()
    }

    private func checkSchema(_ meta: StoredMeta) throws(BootstrapError) {
        if let version = meta.storageVersion, version.withoutPatch > SemanticVersion.server.withoutPatch {
            throw BootstrapError(
                "cannot open \(settings.databasePath): its storage version \(version) is newer than \(SemanticVersion.server)")
        }
        if meta.storageVersion == nil, meta.consistentIndex > 0, !meta.hasTerm {
            throw BootstrapError("cannot open \(settings.databasePath): it is older than 3.5")
        }
    }

    /// The newest snapshot record whose changes the file holds.
    private func startingPoint(_ meta: StoredMeta) throws(BootstrapError) -> WALSnapshot {
        let recorded: [WALSnapshot]
        do throws(WALError) {
            recorded = try WriteAheadLog.validSnapshots(fileSystem, settings.walDirectory)
        } catch {
            throw BootstrapError("failed to read WAL: \(error)")
        }
        if let newest = recorded.last(where: { $0.index <= meta.consistentIndex }) { return newest }
        guard let oldest = recorded.first else { return WALSnapshot(index: 0, term: 0) }
        throw BootstrapError(
            "\(settings.databasePath) has applied up to index \(meta.consistentIndex), but the WAL in "
                + "\(settings.walDirectory) begins at snapshot index \(oldest.index)")
    }

    /// Raft's configuration at the file's index: its members are the authority, as a restored snapshot has new ones but
    /// may still say who voted in the old cluster.
    private func confState(_ reader: ReadTransaction, _ start: WALSnapshot) throws(BootstrapError) -> ConfState {
        let rows: [(key: Bytes, value: Bytes)]
        do throws(BBoltError) { rows = try reader.rows(of: .members) } catch { throw BootstrapError("\(error)") }
        let members = rows.compactMap { row in (try? JSONValue(parsing: row.value)).flatMap { Member(json: $0) } }
        if members.isEmpty { return start.confState ?? ConfState() }
        return ConfState(
            voters: members.filter { !$0.isLearner }.map(\.id).sorted(),
            learners: members.filter(\.isLearner).map(\.id).sorted())
    }

    /// Drops what was not committed, and every other member.
    private func force(
        _ log: inout WriteAheadLog, _ hardState: inout HardState, _ entries: inout [Entry], _ confState: inout ConfState,
        _ metadata: LogMetadata, _ meta: StoredMeta
    ) throws(BootstrapError) {
        let walCommit = hardState.commit
        // The commit index alone is not synced: what the file has applied was committed.
        hardState.commit = max(hardState.commit, meta.consistentIndex)
        // And where this member was always alone, its own log was the quorum: all of it was committed.
        if self.members(confState, entries, after: meta.consistentIndex) == [metadata.memberID], let last = entries.last {
            hardState.commit = max(hardState.commit, last.index)
        }
        entries.removeAll { $0.index > hardState.commit }
        let members = self.members(confState, entries, after: meta.consistentIndex)
        var next = hardState.commit + 1
        var forced: [Entry] = []
        func add(_ change: ConfChange) {
            forced.append(Entry(term: hardState.term, index: next, type: .confChange, data: change.encoded()))
            next += 1
        }
        for id in members.sorted() where id != metadata.memberID {
            add(ConfChange(type: .removeNode, nodeID: id))
        }
        if !members.contains(metadata.memberID) {
            let member = Member(id: metadata.memberID, peerURLs: ["http://localhost:2380", "http://localhost:7001"])
            add(ConfChange(type: .addNode, nodeID: metadata.memberID, context: Bytes(member.json.encoded)))
        }
        entries += forced
        hardState.commit = next - 1
        do throws(WALError) {
            try log.save(forced, hardState)
        } catch {
            throw BootstrapError("failed to save hard state and entries: \(error)")
        }
        // Raft needs no quorum of members that are about to go.
        confState = ConfState(voters: [metadata.memberID])
        note(
            .forcingRestart(metadata.memberID, metadata.clusterID, walCommit: walCommit, commit: hardState.commit))
    }

    /// Who belongs to the cluster after `entries`, the ones up to `applied` being in `confState` already.
    private func members(_ confState: ConfState, _ entries: [Entry], after applied: LogIndex) -> Set<MemberID> {
        var members = Set(confState.voters + confState.learners + confState.votersOutgoing)
        for entry in entries where entry.index > applied && entry.type == .confChange {
            guard let change = try? ConfChange(decoding: entry.data) else { continue }
            switch change.type {
            case .addNode, .addLearnerNode: members.insert(change.nodeID)
            case .removeNode: members.remove(change.nodeID)
            case .updateNode: break
            }
        }
        return members
    }

    // MARK: Assembly

    private func assemble(
        _ committer: consuming Committer, _ log: consuming WriteAheadLog, _ storage: consuming MemoryStorage, localID: MemberID,
        clusterID: ClusterID, snapshotIndex: LogIndex, wasInitialized: Bool, applied: LogIndex = 0,
        amend: (inout StateMachine) -> Void = { _ in }
    ) throws(BootstrapError) -> BootstrappedMember {
        var state: StateMachine
        var limits = StateMachineLimits(
            quotaBytes: settings.quotaBytes, learnersMax: settings.learnersMax,
            leaseCheckpointInterval: settings.leaseCheckpointInterval,
            persistsLeaseCheckpoints: settings.persistsLeaseCheckpoints)
        limits.hashPassword = settings.hashPassword
        do throws(StateLoadError) {
            state = try StateMachine.load(
                committer.beginRead(), clusterID: clusterID, localID: localID, minimumTTL: settings.minimumLeaseTTL,
                limits: limits)
        } catch {
            throw BootstrapError("failed to recover from \(settings.databasePath): \(error)")
        }
        amend(&state)
        note(.storeRestored(revision: state.store.currentRevision))
        let confState = storage.snapshot.metadata.confState
        // What the file holds needs not be handed out again, as far as the log says it is committed.
        let resume = max(storage.snapshot.metadata.index, min(applied, storage.hardState.commit))
        let configuration = RaftConfiguration(
            id: localID, electionTicks: settings.electionTicks, preVote: settings.preVote, seed: settings.seed, applied: resume,
            logsOvertakenStorage: false)
        let raft: RaftNode
        do throws(RaftError) {
            raft = try RaftNode(configuration, storage: storage)
        } catch {
            throw BootstrapError("failed to start raft: \(error)")
        }
        let replica = CompactReplica(
            consensus: ConsensusLane(raft: raft, applied: resume, catchUpEntries: settings.catchUpEntries, barrierSeed: settings.seed),
            apply: ApplyLane(state: state, localPrefix: localID & 0xffff),
            confState: confState, snapshotIndex: snapshotIndex,
            configuration: ReplicaConfiguration(
                snapshotCount: settings.snapshotCount, catchUpEntries: settings.catchUpEntries))
        let statistics = committer.statistics
        return BootstrappedMember(
            replica: replica, log: LogLane(log: log, snapshots: snapshots),
            commit: CommitLane(
                committer: committer, path: settings.databasePath, fileSystem: fileSystem, options: databaseOptions),
            localID: localID, clusterID: clusterID, wasInitialized: wasInitialized, statistics: statistics)
    }
}
