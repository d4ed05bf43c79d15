// Who this member is for the others, and how long it waits for them. The durations are etcd's; tests shorten them.

package import Base
package import NIOCore

package struct PeerTransportSettings: Sendable {
    package var localID: MemberID
    package var clusterID: ClusterID
    package var serverVersion: SemanticVersion = .server
    package var minimumClusterVersion: SemanticVersion = .minimumCluster
    /// The member's advertised peer URLs, so that members who do not know it yet can answer.
    package var peerURLs: [String]
    /// Until a connection stands.
    package var dialTimeout: TimeAmount = .seconds(5)
    /// Where connections to peers come from; nil for what the system chooses.
    package var localAddress: SocketAddress?
    /// `--raft-read-timeout`: a stream on which nothing has come for so long is given up.
    package var readTimeout: TimeAmount = .seconds(5)
    /// `--raft-write-timeout`: so is one that has taken nothing.
    package var writeTimeout: TimeAmount = .seconds(5)
    /// Between two attempts to open a stream.
    package var retryInterval: TimeAmount = .milliseconds(100)
    /// For a message posted by itself, with its answer.
    package var postTimeout: TimeAmount = .seconds(30)
    /// A snapshot of which no byte has gone out for so long, or whose receiver doesn't answer, has failed.
    package var snapshotStallMax: TimeAmount = .minutes(5)
    /// Until the log first tells how peers do; then the same while they do badly.
    package var probeReportInterval: TimeAmount = .seconds(5)
    /// While they do well.
    package var probeQuietInterval: TimeAmount = .seconds(30)

    package init(localID: MemberID, clusterID: ClusterID, peerURLs: [String]) {
        self.localID = localID
        self.clusterID = clusterID
        self.peerURLs = peerURLs
    }

    /// Three in each read timeout, so that one may get lost.
    var heartbeatInterval: TimeAmount { .nanoseconds(max(1, readTimeout.nanoseconds / 3)) }

    /// Shorter than the read timeout: a second, for timeouts above it.
    var probeInterval: TimeAmount {
        let second = TimeAmount.seconds(1)
        return readTimeout > second * 2 ? readTimeout - second : .nanoseconds(max(1, readTimeout.nanoseconds / 2))
    }
}

/// etcd's limits on what waits and on what is read.
enum PeerLimit {
    /// Messages that wait for one stream.
    static let streamMessages = 4096
    /// Messages that wait to be posted, and how many are posted at a time.
    static let pipelineMessages = 64
    static let pipelineWorkers = 4
    /// Bytes encoded before they are handed to the channel.
    static let encodeBytes = 256 << 10
    /// What a stream's channel may hold before messages wait in the queue, where they can still be counted.
    static let streamBufferLow = 256 << 10
    static let streamBufferHigh = 1 << 20
    /// A snapshot is read and sent in pieces of this size.
    static let snapshotChunk = 256 << 10
    /// Snapshot bytes that wait for the disk before the sender must.
    static let snapshotWaiting = 1 << 20
    /// The message before a snapshot's database.
    static let snapshotEnvelope: UInt64 = 64 << 20
    /// Bodies of requests that are no raft traffic.
    static let requestBody = 1 << 20
    /// Bodies of answers that carry a sentence.
    static let errorBody = 4 << 10
    /// Strangers that introduced themselves with their URLs: each costs a place in a table.
    static let remotes = 64
}
