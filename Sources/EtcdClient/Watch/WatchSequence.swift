// A watch as an asynchronous sequence of events.

import EtcdWire
import Foundation
import SwiftProtobuf

/// One change of one key.
public struct WatchEvent: Sendable, Hashable {
    public enum Kind: Sendable, Hashable { case put, delete }
    public let kind: Kind
    /// The key as it is now; for a deletion, its name and the revision of the deletion.
    public let pair: KeyValue
    /// The key as it was, if that was asked for.
    public let previous: KeyValue?
}

extension Client {
    /// The changes of a range of keys, in order, each once, over reconnections too. Ends with an error that carries
    /// `compactRevision` if the history it needs is gone; ends quietly when the task that reads it is cancelled.
    /// - Parameter startRevision: the first revision of interest; 0 for what comes.
    public func watch(
        _ range: KeyRange, startRevision: Int64 = 0, wantsPrevious: Bool = false
    ) -> AsyncThrowingStream<WatchEvent, any Error> {
        AsyncThrowingStream { continuation in
            let (key, end) = range.ends
            let task = Task {
                do {
                    try await self.watch(
                        .with {
                            $0.key = key
                            $0.rangeEnd = end
                            $0.startRevision = startRevision
                            $0.prevKv = wantsPrevious
                        }
                    ) { answer in
                        for event in answer.events {
                            continuation.yield(
                                WatchEvent(
                                    kind: event.type == .delete ? .delete : .put, pair: KeyValue(event.kv),
                                    previous: event.hasPrevKv ? KeyValue(event.prevKv) : nil))
                        }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
