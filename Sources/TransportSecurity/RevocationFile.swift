// A certificate revocation list (RFC 5280, section 5): the serial numbers that no longer count.

import FoundationEssentials
import SwiftASN1

/// The list itself.
package enum RevocationList {
    /// The revoked serial numbers of a list in PEM or DER, as big-endian bytes without leading zeros.
    package static func serials(in bytes: [UInt8]) throws -> Set<[UInt8]> { try RevocationFile.parse(bytes) }
}

/// The list's file, read anew when it changes. Confined to one event loop.
final class RevocationFile {
    private let path: String
    private var stamp: FileStamp?
    private var known: Set<[UInt8]>?

    /// - Parameter path: empty for no list.
    init(_ path: String) {
        self.path = path
    }

    /// The revoked serial numbers as big-endian bytes without leading zeros; nil without a list.
    func serials() throws -> Set<[UInt8]>? {
        guard !path.isEmpty else { return nil }
        let now = FileStamp(path: path)
        if let known, let now, now == stamp { return known }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw TLSError("failed to read the revocation list \(path)")
        }
        let serials: Set<[UInt8]>
        do {
            serials = try Self.parse([UInt8](data))
        } catch {
            throw TLSError("the revocation list \(path) is malformed: \(error)")
        }
        (known, stamp) = (serials, now)
        return serials
    }

    /// Of a list in PEM or DER.
    static func parse(_ bytes: [UInt8]) throws -> Set<[UInt8]> {
        var der = bytes
        if let text = String(validating: bytes, as: UTF8.self), text.contains("-----BEGIN") {
            der = try PEMDocument(pemString: text).derBytes
        }
        let root = try DER.parse(der)
        var serials: Set<[UInt8]> = []
        try DER.sequence(root, identifier: .sequence) { parts in
            guard let list = parts.next() else { throw TLSError("no list within") }
            try DER.sequence(list, identifier: .sequence) { fields in
                while let field = fields.next() {
                    // Behind version, algorithm, issuer and two times comes the sequence of revoked certificates: the only
                    // one whose elements are sequences that begin with an integer.
                    guard field.identifier == .sequence, case .constructed(let entries) = field.content else { continue }
                    for entry in entries {
                        guard case .constructed(let values) = entry.content, entry.identifier == .sequence else { continue }
                        var parts = values.makeIterator()
                        guard let first = parts.next(), first.identifier == .integer,
                            case .primitive(let number) = first.content
                        else { continue }
                        serials.insert(Array(number.drop { $0 == 0 }))
                    }
                }
            }
            while parts.next() != nil {}
        }
        return serials
    }
}
