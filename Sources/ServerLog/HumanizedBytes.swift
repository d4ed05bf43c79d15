// Byte counts for people, as etcd's quota lines show them: decimal units, one decimal below ten ("2.1 GB").

/// `count` bytes with a decimal unit, for example `83 MB` or `2.1 GB`.
package func humanizedBytes(_ count: UInt64) -> String {
    if count < 10 { return "\(count) B" }
    var unit = 0
    var scale = 1.0
    while unit < byteUnits.count - 1, Double(count) / scale >= 1000 {
        scale *= 1000
        unit += 1
    }
    let tenths = (Double(count) / scale * 10 + 0.5).rounded(.down)
    if tenths < 100 {
        let whole = UInt64(tenths)
        return "\(whole / 10).\(whole % 10) \(byteUnits[unit])"
    }
    return "\(UInt64((tenths / 10).rounded(.toNearestOrEven))) \(byteUnits[unit])"
}

private let byteUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
