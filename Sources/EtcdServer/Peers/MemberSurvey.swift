// Asks all other members something, and comes back when all have answered or cannot be reached.

import Base
import Membership
import NIOCore
import NIOHTTP1
import PeerTransport

/// Confined to one event loop.
struct MemberSurvey {
    let client: PeerHTTPClient
    let timeout: TimeAmount

    /// - Parameter body: told of each member's answer, nil for none, in ascending order of identifiers.
    func ask(
        _ members: [Member], _ method: String, _ path: String, headers: HTTPHeaders = [:], body: Bytes = Bytes(),
        _ done: @escaping ([(member: Member, answer: PeerResponse?)]) -> Void
    ) {
        let collection = Collection(members, done)
        for (position, member) in members.enumerated() {
            client.request(method, oneOf: member.peerURLs, path: path, headers: headers, body: body, timeout: timeout) {
                collection.take(position, $0)
            }
        }
        if members.isEmpty { done([]) }
    }

    private final class Collection {
        private var answers: [(member: Member, answer: PeerResponse?)]
        private var missing: Int
        private let done: ([(member: Member, answer: PeerResponse?)]) -> Void

        init(_ members: [Member], _ done: @escaping ([(member: Member, answer: PeerResponse?)]) -> Void) {
            answers = members.map { ($0, nil) }
            missing = members.count
            self.done = done
        }

        func take(_ position: Int, _ answer: PeerResponse?) {
            answers[position].answer = answer
            missing -= 1
            if missing == 0 { done(answers) }
        }
    }
}

extension PeerHTTPClient {
    /// Asks one URL after the other until one answers, whatever it says.
    /// - Parameter done: told the answer, or nil if there is none; on the event loop.
    func request(
        _ method: String, oneOf urls: [String], path: String, headers: HTTPHeaders = [:], body: Bytes = Bytes(),
        timeout: TimeAmount, _ done: @escaping (PeerResponse?) -> Void
    ) {
        guard let first = urls.first else { return done(nil) }
        let next: () -> Void = { [self] in
            request(
                method, oneOf: Array(urls.dropFirst()), path: path, headers: headers, body: body, timeout: timeout, done)
        }
        guard let url = PeerURL(first) else { return next() }
        request(method, url, path: path, headers: headers, body: body, timeout: timeout).assumeIsolated()
            .whenComplete { result in
                if case .success(let response) = result { done(response) } else { next() }
            }
    }
}
