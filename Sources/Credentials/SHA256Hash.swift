// SHA-256 over pieces.

package import Base
import Crypto

package struct SHA256Hash: Sendable {
    private var hash = SHA256()

    package init() {}

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// Of all that came; nothing may come after it.
    package mutating func finish() -> Bytes { Bytes(Array(hash.finalize())) }
}
