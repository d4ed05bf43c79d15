// A snapshot on its way to a client: the file's image, cut into messages as etcd cuts it, and the digest behind it. A
// value that goes to the chores thread for each piece and comes back: reading, hashing and encoding are not the loop's.

import BBolt
package import Base
import Wire

/// SHA-256, wherever it comes from.
package protocol SnapshotDigest: Sendable {
    mutating func update(_ bytes: UnsafeRawBufferPointer)
    mutating func finish() -> Bytes
}

package struct SnapshotStream: Sendable {
    /// Bytes of a message, as etcd cuts it.
    private static let blobBytes = 32 << 10
    /// Read from the file at a time: several messages' worth.
    private static let pieceBytes = 256 << 10

    private let image: DatabaseImage
    private let storageVersion: String
    private var digest: any SnapshotDigest
    private var offset: UInt64 = 0
    package private(set) var isFinished = false

    init(_ image: DatabaseImage, storageVersion: String, digest: any SnapshotDigest) {
        self.image = image
        self.storageVersion = storageVersion
        self.digest = digest
    }

    /// The next messages; at the end of the image the one with the digest is among them.
    package mutating func next() -> [Bytes] {
        let piece = Bytes(image.read(from: offset, count: Self.pieceBytes))
        piece.withUnsafeBytes { digest.update($0) }
        var messages: [Bytes] = []
        var at = 0
        while at < piece.count {
            let blob = piece[at..<min(piece.count, at + Self.blobBytes)]
            at += blob.count
            messages.append(message(blob, remaining: image.sizeBytes - offset - UInt64(at)))
        }
        offset += UInt64(piece.count)
        if piece.isEmpty || offset >= image.sizeBytes {
            messages.append(message(digest.finish(), remaining: 0))
            isFinished = true
        }
        return messages
    }

    private func message(_ blob: Bytes, remaining: UInt64) -> Bytes {
        var writer = WireWriter(capacity: blob.count + 32)
        writer.field(2, remaining)
        writer.field(3, blob)
        writer.field(4, storageVersion)
        return writer.bytes
    }
}
