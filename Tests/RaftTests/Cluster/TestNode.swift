// A node with a disk: what it has been told to save, and how much of that is durable.

import Base
import RaftWire

@testable import Raft

/// What survives a crash.
struct Disk {
    var hardState = HardState()
    var snapshot = Snapshot()
    var entries: [Entry] = []

    mutating func save(_ hardState: HardState, _ new: [Entry], _ received: Snapshot?) {
        if !hardState.isEmpty { self.hardState = hardState }
        if let received, received.metadata.index > snapshot.metadata.index {
            snapshot = received
            entries.removeAll { $0.index <= received.metadata.index }
            if entries.first.map({ $0.index != received.metadata.index + 1 }) ?? false { entries = [] }
        }
        guard let first = new.first else { return }
        entries.removeAll { $0.index >= first.index }
        entries += new.filter { $0.index > snapshot.metadata.index }
    }

    /// The window to start with.
    func storage() throws -> MemoryStorage {
        try MemoryStorage(hardState: hardState, snapshot: snapshot, entries: entries)
    }
}

final class TestNode {
    let configuration: RaftConfiguration
    private(set) var raft: RaftNode
    private(set) var disk: Disk
    /// With asynchronous storage: saves and applications that are on their way.
    private(set) var appends: [Message] = []
    private(set) var applies: [Message] = []
    /// Everything applied since the last restart, or since the snapshot it began with.
    private(set) var applied: [Entry] = []
    private(set) var confState: ConfState
    private(set) var readStates: [ReadState] = []
    var lines: [RaftLogLine] = []

    init(_ configuration: RaftConfiguration, disk: Disk) throws {
        self.configuration = configuration
        self.disk = disk
        confState = disk.snapshot.metadata.confState
        raft = try RaftNode(configuration, storage: disk.storage())
    }

    var id: MemberID { configuration.id }
    var status: RaftBasicStatus { raft.basicStatus }
    var hasReady: Bool { raft.hasReady }
    var fullStatus: RaftStatus { raft.status }
    var isLeader: Bool { status.role == .leader }

    /// The log as far as it is in memory.
    var log: [Entry] {
        raft.log.entries(from: raft.log.firstIndex, to: raft.log.lastIndex + 1, sizeMax: .max) ?? []
    }

    func term(at index: LogIndex) -> Term? { raft.log.term(at: index) }

    func tick() { raft.tick() }

    func step(_ message: Message) throws(RaftError) { try raft.step(message) }

    func with<R>(_ body: (inout RaftNode) throws -> R) rethrows -> R { try body(&raft) }

    func drainLog() -> [RaftLogLine] { raft.drainLog() }

    func takeReadStates() -> [ReadState] {
        defer { readStates = [] }
        return readStates
    }

    // MARK: Readys

    /// Handles one Ready. Returns the messages to others.
    func handleReady() -> [Message] {
        let ready = raft.ready()
        readStates += ready.readStates
        lines += raft.drainLog()
        if !configuration.asyncStorageWrites {
            disk.save(ready.hardState, ready.entries, ready.snapshot)
            keep(ready.hardState, ready.entries, ready.snapshot)
            apply(ready.committedEntries)
            raft.advance(ready)
            return ready.messages
        }
        var outgoing: [Message] = []
        for message in ready.messages {
            switch message.to {
            case LocalTarget.append:
                // As the consensus lane does: the window takes it at once.
                keep(
                    HardState(term: message.term, vote: message.vote, commit: message.commit),
                    message.entries,
                    message.snapshot
                )
                appends.append(message)
            case LocalTarget.apply: applies.append(message)
            default: outgoing.append(message)
            }
        }
        return outgoing
    }

    private func keep(_ hardState: HardState, _ entries: [Entry], _ snapshot: Snapshot?) {
        if !hardState.isEmpty { raft.storage.hardState = hardState }
        if let snapshot, !snapshot.isEmpty {
            try? raft.storage.applySnapshot(snapshot)
            confState = snapshot.metadata.confState
            applied = []
        }
        try? raft.storage.append(entries)
    }

    /// Makes the oldest save durable. Returns what others are told.
    func finishAppend() -> [Message] {
        guard !appends.isEmpty else { return [] }
        let work = appends.removeFirst()
        disk.save(HardState(term: work.term, vote: work.vote, commit: work.commit), work.entries, work.snapshot)
        return deliver(work.responses)
    }

    func finishApply() -> [Message] {
        guard !applies.isEmpty else { return [] }
        let work = applies.removeFirst()
        apply(work.entries)
        return deliver(work.responses)
    }

    private func deliver(_ responses: [Message]) -> [Message] {
        for response in responses where response.to == id { try? raft.step(response) }
        return responses.filter { $0.to != id }
    }

    private func apply(_ entries: [Entry]) {
        for entry in entries {
            applied.append(entry)
            switch entry.type {
            case .normal: break
            case .confChange:
                if let change = try? ConfChange(decoding: entry.data) { confState = raft.applyConfChange(change) }
            case .confChangeV2:
                if let change = try? ConfChangeV2(decoding: entry.data) { confState = raft.applyConfChange(change) }
            }
        }
    }

    /// The last index applied, counting what a snapshot brought.
    var appliedIndex: LogIndex { max(applied.last?.index ?? 0, status.applied) }

    // MARK: Faults and upkeep

    /// Makes a snapshot of everything applied and lets go of the log up to it, save some.
    func compact(keeping kept: UInt64) {
        let index = status.applied
        guard index > raft.storage.snapshot.metadata.index, index <= disk.entries.last?.index ?? 0 else { return }
        try? raft.storage.createSnapshot(index: index, confState: confState, data: Bytes())
        disk.snapshot = raft.storage.snapshot
        disk.entries.removeAll { $0.index <= index }
        if index > kept { try? raft.storage.compact(to: index - kept) }
    }

    /// The node as it comes up after a crash in which the first `saved` of the saves on their way were finished.
    func crashed(saved: Int) throws -> TestNode {
        for work in appends.prefix(saved) {
            disk.save(HardState(term: work.term, vote: work.vote, commit: work.commit), work.entries, work.snapshot)
        }
        // The commit index alone is not synced, but never ahead of the log here.
        disk.hardState.commit = max(disk.hardState.commit, disk.snapshot.metadata.index)
        return try TestNode(configuration, disk: disk)
    }
}
