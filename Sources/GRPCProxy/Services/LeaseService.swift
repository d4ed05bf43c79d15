// Leases through the proxy: many clients that keep one lease alive cost one renewal.
//
// A renewal that is under way answers all who ask meanwhile. One that is a moment old answers too, with the time that is
// left: whoever hears of less than the full time renews the sooner, so nobody is promised what isn't there.

import Base
import EtcdClient
import EtcdWire
import SwiftProtobuf
import Synchronization

final class LeaseService: Sendable {
    private let upstream: Upstream
    private let renewals = Mutex(Renewals())

    /// The share of the time to live for which a renewal counts as fresh; clients renew after a third of it.
    private static let freshShare: Int64 = 6
    /// Leases whose last renewal is remembered.
    private static let rememberedMax = 16384

    /// A lease is somebody's: who may not renew it must not profit from one who may.
    private struct Name: Hashable {
        let lease: Int64
        let asker: String
    }

    private struct Renewals {
        var underWay: [Name: Task<Etcdserverpb_LeaseKeepAliveResponse, any Error>] = [:]
        var last: [Name: (answer: Etcdserverpb_LeaseKeepAliveResponse, at: ContinuousClock.Instant)] = [:]
    }

    init(_ upstream: Upstream) { self.upstream = upstream }

    func keepAlive(_ call: ProxyCall) async throws {
        for await bytes in call.requests {
            let request = try Upstream.decode(Etcdserverpb_LeaseKeepAliveRequest.self, bytes.array)
            let answer = try await renew(request.id, Asker(call))
            call.send(Bytes(try Upstream.encode(answer)))
        }
        if Task.isCancelled { throw CancellationError() }
    }

    private func renew(_ lease: Int64, _ asker: Asker) async throws -> Etcdserverpb_LeaseKeepAliveResponse {
        let name = Name(lease: lease, asker: asker.token)
        let now = ContinuousClock.now
        enum Way {
            case known(Etcdserverpb_LeaseKeepAliveResponse)
            case wait(Task<Etcdserverpb_LeaseKeepAliveResponse, any Error>)
        }
        let way = renewals.withLock { renewals -> Way in
            if let (answer, at) = renewals.last[name] {
                let age = now - at
                if age < .seconds(answer.ttl) / Int(Self.freshShare) {
                    var left = answer
                    left.ttl -= age > .zero ? (age + .seconds(1) - .nanoseconds(1)).components.seconds : 0
                    return .known(left)
                }
            }
            if let task = renewals.underWay[name] { return .wait(task) }
            // Not the asking call's own task: others wait for it too when that call has gone.
            let task = Task { try await self.renewNow(name, asker) }
            renewals.underWay[name] = task
            return .wait(task)
        }
        switch way {
        case .known(let answer): return answer
        case .wait(let task): return try await task.value
        }
    }

    private func renewNow(_ name: Name, _ asker: Asker) async throws -> Etcdserverpb_LeaseKeepAliveResponse {
        let received = Answer<Etcdserverpb_LeaseKeepAliveResponse>()
        let begun = ContinuousClock.now
        defer { renewals.withLock { $0.underWay[name] = nil } }
        var failure = ClientError(code: .unavailable, message: "error reading from server: EOF")
        for _ in 0..<Self.attemptsMax where received.value == nil {
            // The request side stays open until the answer is there: a member may take the end of it for the end of all.
            let answered = Latch()
            do {
                try await Client.$forwardedMetadata.withValue(asker.metadata) {
                    try await upstream.client.stream(
                        .leaseKeepAlive,
                        send: { writer in
                            try await writer.write(.with { $0.id = name.lease })
                            await answered.wait()
                        },
                        receive: {
                            received.value = $0
                            answered.open()
                        }
                    )
                }
            } catch {
                if let error = error as? ClientError { failure = error }
                guard failure.code == .unavailable else { break }
            }
            if received.value == nil { try await Task.sleep(for: Self.pause) }
        }
        guard let answer = received.value else {
            throw Upstream.status(failure, hasDeadline: true)
        }
        renewals.withLock { renewals in
            if answer.ttl > 0 {
                if renewals.last.count >= Self.rememberedMax { renewals.last.removeAll(keepingCapacity: true) }
                renewals.last[name] = (answer, begun)
            } else {
                renewals.last[name] = nil
            }
        }
        return answer
    }

    /// Members that are away: as many are asked, one after the other, as a lease of some seconds can wait for.
    private static let attemptsMax = 20
    private static let pause = Duration.milliseconds(100)

    func revoke(_ bytes: [UInt8], _ asker: Asker) async throws(EtcdError) -> [UInt8] {
        let request = try Upstream.decode(Etcdserverpb_LeaseRevokeRequest.self, bytes)
        defer {
            renewals.withLock { renewals in
                renewals.last = renewals.last.filter { $0.key.lease != request.id }
            }
        }
        return try await upstream.ask(.leaseRevoke, bytes, for: asker)
    }
}
