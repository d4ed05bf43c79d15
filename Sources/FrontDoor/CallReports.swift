// Calls that took long, for whoever writes the log. What a call costs while nothing is slow is a look at the turn's time.

package import Base
package import EtcdWire

/// A call with one request and at most one answer, after its end.
package struct CallReport: Sendable {
    package let rpc: RPC
    package let request: Bytes
    /// Nil where there was none.
    package let response: Bytes?
    package let nanoseconds: UInt64
    /// Where the client is; nil if that is not known.
    package let remote: String?
}

/// Confined to the front door's event loop.
package final class CallReports {
    /// Calls that take longer are told of.
    package var thresholdNanoseconds = UInt64.max
    /// All others, too.
    package var includesAll = false
    package var report: (CallReport) -> Void = { _ in }
    let now: () -> Instant

    init(now: @escaping () -> Instant) {
        self.now = now
    }

    func isWanted(since begun: Instant) -> Bool {
        if includesAll { return true }
        let now = now().nanoseconds
        return now > begun.nanoseconds && now - begun.nanoseconds > thresholdNanoseconds
    }

    func note(_ rpc: RPC, _ request: Bytes, _ response: Bytes?, since begun: Instant, remote: String?) {
        let now = now().nanoseconds
        report(
            CallReport(
                rpc: rpc, request: request, response: response,
                nanoseconds: now > begun.nanoseconds ? now - begun.nanoseconds : 0, remote: remote))
    }
}
