// What took long, noted for whoever writes the log. What is not slow costs two comparisons of times that are taken anyway.

import Base
import EtcdWire
import Replica
import StateMachine

extension FrontLane {
    /// Request and outcome are made only for what is told of.
    func noteIfSlow(
        _ request: @autoclosure () -> SlowRead.Request,
        _ times: ReadTimes,
        _ done: Instant,
        _ outcome: @autoclosure () -> Result<Bytes, EtcdError>,
        revision: @autoclosure () -> Int64?
    ) {
        guard done > times.arrived else { return }
        let took = done.nanoseconds - times.arrived.nanoseconds
        guard took > settings.tracedNanoseconds || took > settings.slowReadNanoseconds else { return }
        tally.slowReads.append(
            SlowRead(request: request(), times: times, ended: done, outcome: outcome(), revision: revision())
        )
    }

    /// Of a read that did not get behind its barrier.
    func noteFailure(of read: WaitingRead, _ error: EtcdError, _ deadline: Instant) {
        guard case .range(let request, _, _) = read, tally.slowReads.count < FrontTally.slowMax else { return }
        let times = ReadTimes(arrived: arrival(deadline), agreed: now)
        noteIfSlow(.range(request), times, now, .failure(error), revision: nil)
    }

    /// Requests whose steps etcd tells of: those that change keys one by one or in a transaction, and compactions.
    func noteSlow(
        _ kind: RaftRequestKind,
        _ reply: AppliedReply,
        _ sink: (any ReplySink)?,
        arrived: Instant,
        begunApplying: Instant,
        ended: Instant
    ) {
        guard [.put, .txn, .compaction].contains(kind), tally.slowWrites.count < FrontTally.slowMax,
            case .success(let answer) = reply.outcome, let request = sink?.requestMessage
        else { return }
        tally.slowWrites.append(
            SlowWrite(
                kind: kind,
                request: request,
                reply: answer,
                arrived: arrived,
                begunApplying: begunApplying,
                ended: ended,
                decided: reply.decidedAt
            )
        )
    }

    func noteIfSlow(_ read: ReadIndex, _ reads: [(read: WaitingRead, deadline: Instant)]) {
        guard let first = reads.first else { return }
        let begun = arrival(first.deadline)
        guard now > begun, now.nanoseconds - begun.nanoseconds > settings.tracedNanoseconds,
            tally.slowBarriers.count < FrontTally.slowMax
        else { return }
        tally.slowBarriers.append(SlowBarrier(begun: begun, ended: now, read: read))
    }
}
