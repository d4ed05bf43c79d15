// Counts of observations under bounds, as Prometheus wants them.

package struct Histogram: Sendable {
    package let bounds: [Double]
    /// Observations per bound, and at the end those above all bounds.
    private var counts: [UInt64]
    private var sum = 0.0

    /// `count` bounds from `start`, each `factor` times the one before.
    package init(start: Double, factor: Double, count: Int) {
        var (bounds, bound): ([Double], Double) = ([], start)
        for _ in 0..<count {
            bounds.append(bound)
            bound *= factor
        }
        self.bounds = bounds
        counts = Array(repeating: 0, count: count + 1)
    }

    /// With these bounds, which rise.
    package init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    package mutating func observe(_ value: Double, times: UInt64 = 1) {
        var place = 0
        while place < bounds.count, value > bounds[place] { place += 1 }
        counts[place] += times
        sum += value * Double(times)
    }

    package var count: UInt64 { counts.reduce(0, +) }

    func write(_ name: String, _ labels: String, to page: inout String) {
        var running: UInt64 = 0
        let prefix = labels.isEmpty ? "" : labels + ","
        for (index, count) in counts.enumerated() {
            running += count
            let bound = index < bounds.count ? metricNumber(bounds[index]) : "+Inf"
            page += "\(name)_bucket{\(prefix)le=\"\(bound)\"} \(running)\n"
        }
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        page += "\(name)_sum\(braces) \(metricNumber(sum))\n\(name)_count\(braces) \(running)\n"
    }
}

/// A histogram for each value of a set of labels. Labels become text when the page is asked for, not when something is
/// observed.
package struct HistogramFamily<Key: Hashable & Sendable>: Sendable {
    private let empty: Histogram
    private var members: [Key: Histogram] = [:]

    package init(_ empty: Histogram) {
        self.empty = empty
    }

    package mutating func observe(_ key: Key, _ value: Double, times: UInt64 = 1) {
        members[key, default: empty].observe(value, times: times)
    }

    /// Observes what `values` says of each of the elements, all of one member.
    package mutating func observe<Elements: Sequence>(
        _ key: Key,
        _ elements: Elements,
        _ value: (Elements.Element) -> Double
    ) {
        for element in elements { members[key, default: empty].observe(value(element)) }
    }

    /// A member that is shown before anything was observed.
    package mutating func prepare(_ key: Key) {
        if members[key] == nil { members[key] = empty }
    }

    func sorted(_ labels: (Key) -> String) -> [(labels: String, histogram: Histogram)] {
        members.map { (labels($0.key), $0.value) }.sorted { $0.0 < $1.0 }
    }
}

/// As Go prints a float: whole numbers without a fraction.
package func metricNumber(_ value: Double) -> String {
    if value == value.rounded(), value.magnitude < 1e6 { return String(Int64(value)) }
    // Go turns to an exponent from 1e+06 up, and writes at least two digits of it.
    var text = "\(value)"
    if value.magnitude >= 1e6, value.magnitude < 1e21, !text.contains("e") {
        var digits = text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        let point = digits.firstIndex(of: ".").map { digits.distance(from: digits.startIndex, to: $0) } ?? digits.count
        digits.removeAll { $0 == "." }
        while digits.last == "0", digits.count > 1 { digits.removeLast() }
        let exponent = point - 1
        text = digits.prefix(1) + (digits.count > 1 ? "." + digits.dropFirst() : "") + "e+" + (exponent < 10 ? "0" : "") + "\(exponent)"
    }
    return text
}
