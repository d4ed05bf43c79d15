// A watch as an asynchronous sequence. It is read only as fast as it is iterated: between the connection and the reader
// there is room for one answer, and while that is taken nothing more is read, so that the member holds its events back.

import AsyncAlgorithms
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

/// One change of one key.
public struct WatchEvent: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case put, delete }
    public let kind: Kind
    /// The key as it is now; for a deletion, its name and the revision of the deletion.
    public let pair: KeyValue
    /// The key as it was, if that was asked for and its history is there.
    public let previous: KeyValue?

    /// Whether the key came into being.
    public var isCreation: Bool { kind == .put && pair.createRevision == pair.modRevision }
}

/// What one answer of a member brings.
public struct WatchUpdate: Sendable, Hashable {
    /// The events, in order; empty for a report of progress.
    public let events: [WatchEvent]
    /// The revision of the store up to which everything is delivered if `events` is empty.
    public let revision: Int64
    /// If the history that the watch needed was compacted and it was told to go on: the first revision that it goes on
    /// with. Events before it are lost.
    public let resumedAtRevision: Int64?
}

/// How a watch is done.
public struct WatchOptions: Sendable, Hashable {
    /// What to do when the history is gone that a watch needs, at its start or after a long time without a connection.
    public enum OnCompaction: Sendable, Hashable {
        /// Throw an error that carries ``ClientError/compactRevision``.
        case fail
        /// Go on with the oldest revision there is; ``WatchUpdate/resumedAtRevision`` says so.
        case resume
    }

    /// The first revision of interest; 0 for what comes.
    public var startRevision: Int64
    /// Whether events bring the key as it was before.
    public var wantsPrevious: Bool
    /// Whether puts, and whether deletions are of interest.
    public var wantsPuts: Bool
    public var wantsDeletions: Bool
    /// Whether the member reports its revision now and then when there are no events; see ``WatchUpdate/revision``.
    public var reportsProgress: Bool
    /// Whether the member may send what happened at one revision in several updates when it is much.
    public var allowsFragments: Bool
    public var onCompaction: OnCompaction

    public init(
        startRevision: Int64 = 0,
        wantsPrevious: Bool = false,
        wantsPuts: Bool = true,
        wantsDeletions: Bool = true,
        reportsProgress: Bool = false,
        allowsFragments: Bool = true,
        onCompaction: OnCompaction = .fail
    ) {
        self.startRevision = startRevision
        self.wantsPrevious = wantsPrevious
        self.wantsPuts = wantsPuts
        self.wantsDeletions = wantsDeletions
        self.reportsProgress = reportsProgress
        self.allowsFragments = allowsFragments
        self.onCompaction = onCompaction
    }
}

extension Client {
    /// The changes of a range of keys, in order, each once, over reconnections too. Each iteration is a watch of its own.
    public func watch(_ range: KeyRange, _ options: WatchOptions = WatchOptions()) -> WatchSequence {
        WatchSequence(client: self, range: range, options: options, strips: 0)
    }
}

/// The changes of a range of keys as single events; ``updates`` has them as they come together.
public struct WatchSequence: AsyncSequence, Sendable {
    public typealias Element = WatchEvent
    let client: Client
    let range: KeyRange
    let options: WatchOptions
    /// How many leading bytes are taken off the keys, for a view of a part of the keys.
    let strips: Int

    /// The same watch in the members' own portions, with reports of progress.
    public var updates: WatchUpdates { WatchUpdates(watch: self) }

    public func makeAsyncIterator() -> Iterator { Iterator(updates: updates.makeAsyncIterator()) }

    public struct Iterator: AsyncIteratorProtocol {
        var updates: WatchUpdates.Iterator
        private var waiting: ArraySlice<WatchEvent> = []

        init(updates: WatchUpdates.Iterator) { self.updates = updates }

        /// - Throws: ``ClientError``. Nil when the reading task is cancelled.
        public mutating func next() async throws -> WatchEvent? {
            while waiting.isEmpty {
                guard let update = try await updates.next() else { return nil }
                waiting = update.events[...]
            }
            return waiting.removeFirst()
        }
    }
}

/// The changes of a range of keys as the members send them.
public struct WatchUpdates: AsyncSequence, Sendable {
    public typealias Element = WatchUpdate
    let watch: WatchSequence

    public func makeAsyncIterator() -> Iterator { Iterator(running: RunningWatch(watch)) }

    public struct Iterator: AsyncIteratorProtocol {
        let running: RunningWatch

        /// - Throws: ``ClientError``. Nil when the reading task is cancelled.
        public mutating func next() async throws -> WatchUpdate? { try await running.next() }
    }
}

/// The task that reads one watch, for as long as somebody holds its iterator.
final class RunningWatch: Sendable {
    private let updates = AsyncThrowingChannel<WatchUpdate, any Error>()
    private let task: Task<Void, Never>

    init(_ watch: WatchSequence) {
        let updates = self.updates
        task = Task {
            do {
                try await Self.run(watch, into: updates)
                updates.finish()
            } catch {
                updates.fail(error)
            }
        }
    }

    deinit { task.cancel() }

    func next() async throws -> WatchUpdate? {
        var iterator = updates.makeAsyncIterator()
        return try await iterator.next()
    }

    private static func run(_ watch: WatchSequence, into updates: AsyncThrowingChannel<WatchUpdate, any Error>)
        async throws
    {
        let options = watch.options
        let progress = WatchProgress(startRevision: options.startRevision)
        let resumedAt = Answer<Int64>()
        while true {
            do throws(ClientError) {
                try await watch.client.watch(
                    .with {
                        $0.key = Data(watch.range.start)
                        $0.rangeEnd = Data(watch.range.end)
                        $0.prevKv = options.wantsPrevious
                        $0.progressNotify = options.reportsProgress
                        $0.fragment = options.allowsFragments
                        if !options.wantsPuts { $0.filters.append(.noput) }
                        if !options.wantsDeletions { $0.filters.append(.nodelete) }
                    },
                    progress: progress
                ) { answer in
                    if answer.canceled { return }
                    if answer.events.isEmpty, !options.reportsProgress { return }
                    let update = WatchUpdate(
                        events: answer.events.map { event in
                            WatchEvent(
                                kind: event.type == .delete ? .delete : .put,
                                pair: KeyValue(event.kv, strips: watch.strips),
                                previous: event.hasPrevKv ? KeyValue(event.prevKv, strips: watch.strips) : nil
                            )
                        },
                        revision: answer.header.revision,
                        resumedAtRevision: resumedAt.value
                    )
                    resumedAt.value = nil
                    await updates.send(update)
                }
            } catch {
                guard options.onCompaction == .resume, let revision = error.compactRevision, !Task.isCancelled else {
                    throw error
                }
                progress.jump(to: revision)
                resumedAt.value = revision
            }
        }
    }
}
