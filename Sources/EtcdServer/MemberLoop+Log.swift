// How the loop's wishes get to the log: over the log's thread, or, in quiet hours, by its own hand.
//
// Two wake-ups of a thread cost a lone writer as much as half a sync of the disk. While nobody else is there who could
// be kept waiting, and the disk is quick, the loop writes and syncs by itself and answers in the same turn.

import Base
import Dispatch
import Membership
import Metrics
import NIOCore
import Raft
import Replica
import ServerLog

/// Tells when the loop may wait for the disk itself. Nobody must notice: one writer, nobody else, one put at a time.
struct QuietHours {
    /// Puts in a row, each alone, before the loop takes the log over.
    private static let lonePutsMin = 8
    /// A sync that takes longer ends the quiet for the next `pauseWrites` writes.
    private static let slowSeconds = 0.001
    private static let pauseWrites = 1024
    /// As often the thread has a turn: it is also what prepares the next segment.
    private static let threadEvery = 256

    /// Posted to the log's thread and not answered.
    var requestsOutstanding = 0
    private var lonePuts = 0
    private var seenMessages: UInt64 = 0
    private var pause = 0
    private var written = 0

    /// - Parameter messages: of clients, since the start.
    mutating func note(proposals: Int, messages: UInt64) {
        let isAlone = proposals == 1 && messages == seenMessages &+ 1
        seenMessages = messages
        lonePuts = isAlone ? lonePuts + 1 : 0
    }

    /// Whether the loop may write what is to be written now.
    mutating func begins() -> Bool {
        guard requestsOutstanding == 0, lonePuts >= Self.lonePutsMin else { return false }
        if pause > 0 {
            pause -= 1
            return false
        }
        written += 1
        return written % Self.threadEvery != 0
    }

    mutating func ended(after seconds: Double) {
        if seconds > Self.slowSeconds { pause = Self.pauseWrites }
    }
}

extension MemberLoop {
    /// A commit index alone needs no sync and nobody waits for it: under load it goes with the next entries and costs no
    /// wake-up of its own, otherwise it follows soon.
    func passToLog(_ requests: [LogRequest]) {
        deferredLog += requests
        let isUrgent = requests.contains { request in
            guard case .append(let append) = request else { return true }
            return !append.entries.isEmpty || !append.responses.isEmpty || append.mustSync
        }
        if isUrgent { return flushLog() }
        guard !isLogFlushScheduled else { return }
        isLogFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .milliseconds(2)) {
            bound.value.isLogFlushScheduled = false
            bound.value.postLog()
        }
    }

    private func flushLog() {
        if quiet.begins(), isAloneInCluster, onlyAppends(deferredLog), writeLog() { return }
        postLog()
    }

    func postLog() {
        guard !deferredLog.isEmpty else { return }
        quiet.requestsOutstanding += deferredLog.count
        logThread.post(contentsOf: deferredLog)
        deferredLog.removeAll(keepingCapacity: true)
    }

    /// Others hear of an entry before it is durable here; they must not wait for this disk.
    private var isAloneInCluster: Bool { raftStatus.role == .leader && membership.members.count == 1 }

    private func onlyAppends(_ requests: [LogRequest]) -> Bool {
        requests.allSatisfy { if case .append(let append) = $0 { append.snapshot == nil } else { false } }
    }

    /// - Returns: false if the log's thread is still at work.
    private func writeLog() -> Bool {
        diskMeter.begins()
        let begun = DispatchTime.now().uptimeNanoseconds
        let batch = deferredLog
        do {
            let done = try logLane.useIfFree { (lane: inout LogLane) in (try lane.receive(batch), lane.bytesWritten) }
            guard let (replies, written) = done else { return false }
            deferredLog.removeAll(keepingCapacity: true)
            let seconds = Double(DispatchTime.now().uptimeNanoseconds - begun) / 1e9
            quiet.ended(after: seconds)
            logged(replies, seconds: seconds, bytesWritten: written)
        } catch {
            fail("failed to write the WAL: \(error)")
        }
        return true
    }

    /// What the log was asked is durable.
    func logged(_ replies: [LogReply], seconds: Double, bytesWritten: UInt64) {
        metrics.walBytes = bytesWritten
        if seconds > 1 {
            logger.warn(
                "slow fdatasync", [.duration("took", Duration.seconds(seconds)), .duration("expected-duration", Duration.seconds(1))])
        }
        replica.logReplied(replies)
    }
}
