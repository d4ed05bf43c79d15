// What keeps a member from coming to be, said in the words that operators look for.

import Base
import Membership
import ServerConfiguration
import ServerLog

extension EtcdServer {
    /// Does a part of the bootstrap, and says in the log that it was this that failed.
    func sayingWhatFailed<Result>(_ part: () throws -> Result) throws -> Result {
        do {
            return try part()
        } catch {
            // The flags alone were wrong: nothing was begun yet.
            if !"\(error)".hasPrefix("error setting up initial cluster") { logger.error("bootstrap failed", [.error(error)]) }
            throw error
        }
    }

    /// What is wrong with settings that the flags' own checks let pass.
    func checkSettings() throws {
        let requestBytes = configuration.requests.maxRequestBytes
        let recommended: UInt64 = 10 << 20
        if requestBytes > recommended {
            logger.warn(
                "exceeded recommended request limit",
                [
                    .uint("max-request-bytes", requestBytes), .string("max-request-size", humanizedBytes(UInt64(requestBytes))),
                    .uint("recommended-request-bytes", recommended),
                    .string("recommended-request-size", humanizedBytes(recommended)),
                ])
        }
        let listen = configuration.listen
        for url in listen.clientHTTPURLs where listen.clientURLs.contains(where: { $0.host == url.host }) {
            throw ServerStartError(
                description: "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url \(url)")
        }
        guard configuration.cluster.maxLearners < 0 else { return }
        try sayingWhatFailed {
            throw ServerStartError(description: "membership: too many learner members in cluster")
        }
    }
}
