// Linearizable reads without a log entry: the leader's commit index, once it is sure to lead still.

import Base
import RaftWire

extension RaftNode {
    mutating func takeReadIndex(_ message: Message) throws(RaftError) {
        if message.entries.isEmpty {
            throw .malformedMessage("MsgReadIndex from \(hexadecimal(message.from)) without a context")
        }
        if tracker.members.isSingleton && tracker.members.voters.contains(id) {
            // Nobody else could lead. (Were the one voter somebody else, we would be a removed leader, and had to ask.)
            answer(message, index: log.committed)
        } else if !hasCommittedInTerm {
            // Before that, our commit index may lag behind the one of the leader before us.
            postponedReads.append(message)
        } else {
            confirm(message)
        }
    }

    private var hasCommittedInTerm: Bool { log.term(at: log.committed) == term }

    private mutating func confirm(_ message: Message) {
        switch configuration.readOnlyOption {
        case .safe:
            reads.add(message, at: log.committed)
            reads.acknowledge(id, context: reads.heartbeatContext)
            broadcastHeartbeat()
        case .leaseBased: answer(message, index: log.committed)
        }
    }

    mutating func answerConfirmedReads() {
        for read in reads.takeConfirmed(tracker.members.voters) { answer(read.request, index: read.index) }
    }

    mutating func releasePostponedReads() {
        if postponedReads.isEmpty { return }
        if !hasCommittedInTerm {
            note(.error, "pending MsgReadIndex should be released only after first commit in current term")
            return
        }
        let released = postponedReads
        postponedReads = []
        for message in released { confirm(message) }
    }

    private mutating func answer(_ request: Message, index: LogIndex) {
        if request.from == 0 || request.from == id {
            outbox.readStates.append(ReadState(index: index, context: request.entries.first?.data ?? Bytes()))
        } else {
            send(Message(type: .readIndexResponse, to: request.from, index: index, entries: request.entries))
        }
    }

    mutating func takeReadIndexResponse(_ message: Message) {
        guard message.entries.count == 1 else {
            note(
                .error,
                "\(hexadecimal(id)) invalid format of MsgReadIndexResp from \(hexadecimal(message.from)), "
                    + "entries count: \(message.entries.count)"
            )
            return
        }
        outbox.readStates.append(ReadState(index: message.index, context: message.entries[0].data))
    }
}
