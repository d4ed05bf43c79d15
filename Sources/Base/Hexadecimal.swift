// Hexadecimal as etcd prints it: lower case, in identifiers without padding, in file names padded to 16 digits.

/// Lower-case hexadecimal without padding, as etcd prints member and cluster identifiers.
package func hexadecimal(_ value: UInt64) -> String {
    String(value, radix: 16)
}

/// Sixteen lower-case hexadecimal digits, as in the names of WAL and snapshot files.
package func paddedHexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

/// The number behind exactly sixteen hexadecimal digits, or nil.
package func parsePaddedHexadecimal(_ digits: some StringProtocol) -> UInt64? {
    guard digits.utf8.count == 16, digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else {
        return nil
    }
    return UInt64(digits, radix: 16)
}
