// A piece of a file in the address space, unmapped when its last owner lets go.

/// Read-only mapped memory.
// SAFETY of @unchecked Sendable: the base address and length never change after init, and nobody writes through them.
// The file's pages do change under the mapping; bbolt's rule is that a page a live transaction can reach is never
// rewritten, and that rule, not this type, makes concurrent reading sound.
package final class MappedRegion: @unchecked Sendable {
    package let bytes: UnsafeRawBufferPointer
    private let release: @Sendable (UnsafeRawBufferPointer) -> Void
    private let forget: @Sendable (UnsafeRawBufferPointer) -> Void
    private let lock: @Sendable (UnsafeRawBufferPointer) throws(FileError) -> Void
    private let unlock: @Sendable (UnsafeRawBufferPointer) -> Void

    /// - Parameters:
    ///   - release: unmaps; called once.
    ///   - forget: drops the pages from memory without losing them (they come back from the file when touched).
    ///   - lock: reads the pages into memory and keeps them there.
    ///   - unlock: ends that.
    package init(
        bytes: UnsafeRawBufferPointer,
        release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        forget: @escaping @Sendable (UnsafeRawBufferPointer) -> Void = { _ in },
        lock: @escaping @Sendable (UnsafeRawBufferPointer) throws(FileError) -> Void = { _ in },
        unlock: @escaping @Sendable (UnsafeRawBufferPointer) -> Void = { _ in }
    ) {
        self.bytes = bytes
        self.release = release
        self.forget = forget
        self.lock = lock
        self.unlock = unlock
    }

    /// Gives resident pages of `range` back to the system: after a full scan, so that it doesn't count as our memory.
    package func dropResidentPages(_ range: Range<Int>) {
        forget(UnsafeRawBufferPointer(rebasing: bytes[range.clamped(to: 0..<bytes.count)]))
    }

    /// Reads the first `count` bytes into memory and keeps them there, until the region is unlocked or gone.
    /// - Throws: what the system says; it may not allow as much.
    package func lockInMemory(_ count: Int) throws(FileError) {
        try lock(UnsafeRawBufferPointer(rebasing: bytes[..<min(count, bytes.count)]))
    }

    /// Ends what `lockInMemory` began.
    package func unlockFromMemory() { unlock(bytes) }

    deinit { release(bytes) }
}
