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
            attempt(member.peerURLs.compactMap { PeerURL($0) }[...], method, path, headers, body) {
                collection.take(position, $0)
            }
        }
        if members.isEmpty { done([]) }
    }

    private func attempt(
        _ urls: ArraySlice<PeerURL>, _ method: String, _ path: String, _ headers: HTTPHeaders, _ body: Bytes,
        _ done: @escaping (PeerResponse?) -> Void
    ) {
        guard let url = urls.first else { return done(nil) }
        client.request(method, url, path: path, headers: headers, body: body, timeout: timeout).assumeIsolated()
            .whenComplete { result in
                if case .success(let response) = result { return done(response) }
                attempt(urls.dropFirst(), method, path, headers, body, done)
            }
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
