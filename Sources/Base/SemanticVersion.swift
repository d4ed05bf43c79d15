// Versions as etcd compares them: major, minor, patch; pre-release parts are read and passed over.

/// A version of etcd, of a cluster or of the storage schema.
package struct SemanticVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int
    package var patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads "3.7.1", "3.7.0-alpha" or, if `minorIsEnough`, "3.7".
    package init?(_ text: some StringProtocol, minorIsEnough: Bool = false) {
        let core = text.prefix { $0 != "-" && $0 != "+" }
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 || (minorIsEnough && parts.count == 2) else { return nil }
        var numbers: [Int] = []
        for part in parts {
            guard let number = Int(part), part.first?.isNumber == true else { return nil }
            numbers.append(number)
        }
        self.init(numbers[0], numbers[1], numbers.count > 2 ? numbers[2] : 0)
    }

    package var description: String { "\(major).\(minor).\(patch)" }
    /// "3.7": what cluster versions are cut down to in logs and downgrade requests.
    package var minorDescription: String { "\(major).\(minor)" }
    /// The same version with patch 0.
    package var withoutPatch: SemanticVersion { SemanticVersion(major, minor) }

    package static func < (left: SemanticVersion, right: SemanticVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// The release of etcd whose interface and formats this is.
    package static let server = SemanticVersion(3, 7, 1)
    /// The oldest cluster version this release can serve in, as `Status` and peers are told.
    package static let minimumCluster = SemanticVersion(3, 0, 0)
}
