// What a mirror of a part of the store is made from: first all keys at one revision, then every change after it.

/// Reads a part of the store for a copy of it elsewhere.
public struct Syncer: Sendable {
    public let client: Client
    public let prefix: [UInt8]
    /// The revision of the base; 0 for the one at which ``base(portion:_:)`` begins.
    public let revision: Int64

    public init(_ client: Client, prefix: some Octets = "", revision: Int64 = 0) {
        self.client = client
        self.prefix = prefix.octets
        self.revision = revision
    }

    /// Hands over all keys, in portions.
    /// - Returns: the revision that they are of, for ``updates(after:)``.
    public func base(portion: Int64 = 1000, _ receive: ([KeyValue]) async throws -> Void) async throws -> Int64 {
        try await client.scan(.prefix(prefix), revision: revision, portion: portion, receive)
    }

    /// All changes after `revision`; an error with ``ClientError/compactRevision`` means that a new base is needed.
    public func updates(after revision: Int64) -> WatchUpdates {
        client.watch(.prefix(prefix), WatchOptions(startRevision: revision + 1, allowsFragments: false)).updates
    }
}
