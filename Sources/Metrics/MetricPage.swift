// A page of metrics in Prometheus' text format.

package struct MetricPage: ~Copyable {
    private var blocks: [(name: String, text: String)] = []
    private let help: [String: String]

    /// - Parameter help: what is said of each family, by name.
    package init(help: [String: String]) {
        self.help = help
    }

    /// All that was added, in order of names.
    package consuming func text() -> String {
        blocks.sort { $0.name < $1.name }
        return blocks.map(\.text).joined()
    }

    private func head(_ name: String, _ type: String) -> String {
        "# HELP \(name) \(help[name] ?? "")\n# TYPE \(name) \(type)\n"
    }

    package mutating func gauge(_ name: String, _ value: some BinaryInteger) { gauge(name, Double(value)) }
    package mutating func gauge(_ name: String, _ value: Double) { single(name, "gauge", value) }
    package mutating func counter(_ name: String, _ value: some BinaryInteger) { counter(name, Double(value)) }
    package mutating func counter(_ name: String, _ value: Double) { single(name, "counter", value) }

    private mutating func single(_ name: String, _ type: String, _ value: Double) {
        blocks.append((name, head(name, type) + "\(name) \(metricNumber(value))\n"))
    }

    /// One line for each set of labels; the family is left out while it has no member, as Go's library does.
    package mutating func family(_ name: String, _ type: String, _ members: [(labels: String, value: Double)]) {
        guard !members.isEmpty else { return }
        var text = head(name, type)
        for member in members { text += "\(name){\(member.labels)} \(metricNumber(member.value))\n" }
        blocks.append((name, text))
    }

    package mutating func histogram(_ name: String, _ histogram: Histogram) {
        var text = head(name, "histogram")
        histogram.write(name, "", to: &text)
        blocks.append((name, text))
    }

    /// - Parameter labels: as they stand between the braces.
    package mutating func histogram<Key>(
        _ name: String, _ family: HistogramFamily<Key>, labels: (Key) -> String
    ) {
        let members = family.sorted(labels)
        guard !members.isEmpty else { return }
        var text = head(name, "histogram")
        for (labels, histogram) in members { histogram.write(name, labels, to: &text) }
        blocks.append((name, text))
    }
}
