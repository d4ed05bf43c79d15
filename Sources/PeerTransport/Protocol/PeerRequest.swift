// Requests on the peer port that are no raft traffic, and the answers to all of them.

package import Base
package import NIOHTTP1

package struct PeerRequest: Sendable {
    package var method: String
    /// Without the query.
    package var path: String
    /// What follows the question mark, as it came.
    package var query: String
    package var headers: HTTPHeaders
    package var body: Bytes
}

package struct PeerResponse: Sendable {
    package var status: Int
    package var headers: HTTPHeaders
    package var body: Bytes

    package init(status: Int, headers: HTTPHeaders = [:], body: Bytes = Bytes()) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A sentence as Go's `http.Error` sends it.
    package static func text(_ status: Int, _ text: String, headers: HTTPHeaders = [:]) -> PeerResponse {
        var headers = headers
        headers.replaceOrAdd(name: "Content-Type", value: "text/plain; charset=utf-8")
        headers.replaceOrAdd(name: "X-Content-Type-Options", value: "nosniff")
        return PeerResponse(status: status, headers: headers, body: Bytes(text + "\n"))
    }

    package static func json(_ status: Int, _ body: Bytes, headers: HTTPHeaders = [:]) -> PeerResponse {
        var headers = headers
        headers.replaceOrAdd(name: "Content-Type", value: "application/json")
        return PeerResponse(status: status, headers: headers, body: body)
    }

    package static let notFound = text(404, "404 page not found")

    package static func methodNotAllowed(_ allowed: String) -> PeerResponse {
        text(405, "Method Not Allowed", headers: ["Allow": allowed])
    }
}

/// Answers one request, once, on the transport's event loop; later answers and those to closed connections are lost.
package final class PeerReply {
    private var answer: ((PeerResponse) -> Void)?

    init(_ answer: @escaping (PeerResponse) -> Void) {
        self.answer = answer
    }

    package func callAsFunction(_ response: PeerResponse) {
        let answer = answer
        self.answer = nil
        answer?(response)
    }
}
