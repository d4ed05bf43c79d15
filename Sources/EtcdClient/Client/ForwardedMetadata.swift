// Calls on behalf of somebody else: a proxy passes on what its own client said about itself.

extension Client {
    /// While set, calls of the task carry exactly these fields instead of the client's own token and version.
    @TaskLocal package static var forwardedMetadata: [(String, String)]?
}
