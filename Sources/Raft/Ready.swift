// What a node wants done. In this order: save snapshot, hard state and entries; send the messages; apply what is
// committed. With `asyncStorageWrites` the messages say all that themselves.

package import RaftWire

package struct Ready: Sendable {
    /// Nil if it has not changed.
    package var softState: SoftState?
    /// Empty if it has not changed.
    package var hardState = HardState()
    package var readStates: [ReadState] = []
    /// To be saved.
    package var entries: [Entry] = []
    /// To be saved before the entries, and to replace the state.
    package var snapshot: Snapshot?
    /// To be applied.
    package var committedEntries: [Entry] = []
    /// To be sent, after saving.
    package var messages: [Message] = []
    /// Whether saving must be durable before the messages leave.
    package var mustSync = false

    package init() {}
}
