// Why a change cannot be made to a configuration.

package enum ConfChangeError: Error, Sendable, Hashable {
    case alreadyJoint
    case notJoint
    case noVotersToJoin
    case simpleWhileJoint
    case removedAllVoters
    case moreThanOneVoter
    /// The configuration that the change starts from, or leads to, is none. The text says why.
    case inconsistent(String)
}

extension ConfChangeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .alreadyJoint: "config is already joint"
        case .notJoint: "can't leave a non-joint config"
        case .noVotersToJoin: "can't make a zero-voter config joint"
        case .simpleWhileJoint: "can't apply simple config change in joint config"
        case .removedAllVoters: "removed all voters"
        case .moreThanOneVoter: "more than one voter changed without entering joint config"
        case .inconsistent(let text): text
        }
    }
}
