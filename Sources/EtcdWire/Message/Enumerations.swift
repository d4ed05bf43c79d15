// The enums of the hot messages. proto3's enums are open: a number nobody has named is kept, for the API answers it
// with an error of its own ("invalid sort option") and not with a decoding failure.

/// An enum's number, named or not.
package protocol OpenEnumeration: RawRepresentable, Sendable, Hashable where RawValue == Int {
    /// The last number with a name; all from 0 on have one.
    static var last: Int { get }
    init(rawValue: Int)
}

extension OpenEnumeration {
    /// Whether the number has a name in etcd 3.7.
    package var isKnown: Bool { rawValue >= 0 && rawValue <= Self.last }
    /// What goes on the wire: negative numbers are sign-extended.
    var wireValue: Int64 { Int64(rawValue) }
}

/// How a range's result is ordered.
package struct SortOrder: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 2

    package static let none = SortOrder(rawValue: 0)
    package static let ascend = SortOrder(rawValue: 1)
    package static let descend = SortOrder(rawValue: 2)
}

/// What a range's result is ordered by.
package struct SortTarget: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 4

    package static let key = SortTarget(rawValue: 0)
    package static let version = SortTarget(rawValue: 1)
    package static let create = SortTarget(rawValue: 2)
    package static let mod = SortTarget(rawValue: 3)
    package static let value = SortTarget(rawValue: 4)
}

/// The relation a transaction's compare demands.
package struct CompareResult: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 3

    package static let equal = CompareResult(rawValue: 0)
    package static let greater = CompareResult(rawValue: 1)
    package static let less = CompareResult(rawValue: 2)
    package static let notEqual = CompareResult(rawValue: 3)
}

/// What a transaction's compare looks at.
package struct CompareTarget: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 4

    package static let version = CompareTarget(rawValue: 0)
    package static let create = CompareTarget(rawValue: 1)
    package static let mod = CompareTarget(rawValue: 2)
    package static let value = CompareTarget(rawValue: 3)
    package static let lease = CompareTarget(rawValue: 4)
}

/// What happened to a key.
package struct EventType: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 1

    package static let put = EventType(rawValue: 0)
    package static let delete = EventType(rawValue: 1)
}

/// Events a watcher does not want.
package struct WatchFilter: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 1

    package static let noPut = WatchFilter(rawValue: 0)
    package static let noDelete = WatchFilter(rawValue: 1)
}

/// Why a member raised an alarm.
package struct AlarmType: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 2

    package static let none = AlarmType(rawValue: 0)
    package static let noSpace = AlarmType(rawValue: 1)
    package static let corrupt = AlarmType(rawValue: 2)
}

/// What is to be done about an alarm.
package struct AlarmAction: OpenEnumeration {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let last = 2

    package static let get = AlarmAction(rawValue: 0)
    package static let activate = AlarmAction(rawValue: 1)
    package static let deactivate = AlarmAction(rawValue: 2)
}
