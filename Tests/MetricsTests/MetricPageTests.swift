import Metrics
import Testing

@Suite("Metrics")
struct MetricPageTests {
    @Test("a histogram's buckets count what is at or below their bound")
    func histogram() {
        var histogram = Histogram(start: 0.001, factor: 2, count: 3)
        for value in [0.0005, 0.001, 0.0011, 0.004, 7] { histogram.observe(value) }
        var page = MetricPage(help: ["took_seconds": "How long it took."])
        page.histogram("took_seconds", histogram)
        #expect(
            page.text() == """
                # HELP took_seconds How long it took.
                # TYPE took_seconds histogram
                took_seconds_bucket{le="0.001"} 2
                took_seconds_bucket{le="0.002"} 3
                took_seconds_bucket{le="0.004"} 4
                took_seconds_bucket{le="+Inf"} 5
                took_seconds_sum 7.0066
                took_seconds_count 5

                """)
    }

    @Test("families show each set of labels, and nothing while they have none")
    func families() {
        var family = HistogramFamily<String>(Histogram(start: 1, factor: 2, count: 1))
        var page = MetricPage(help: ["took_seconds": "How long it took."])
        page.histogram("empty", family) { $0 }
        family.observe("Put", 3)
        page.histogram("filled", family) { "op=\"\($0)\"" }
        page.family("a_total", "counter", [("x=\"1\"", 2)])
        let text = page.text()
        #expect(!text.contains("empty") && text.hasPrefix("# HELP a_total"), "in order of names")
        #expect(text.contains("filled_bucket{op=\"Put\",le=\"+Inf\"} 1") && text.contains("filled_sum{op=\"Put\"} 3"))
    }

    @Test("numbers look as Go writes them", arguments: [
        (0.0, "0"), (1, "1"), (0.5, "0.5"), (999_999, "999999"), (1_000_000, "1e+06"), (2_147_483_648, "2.147483648e+09"),
        (1_604_600.5, "1.6046005e+06"), (0.0001, "0.0001"), (-3, "-3"),
    ])
    func numbers(value: Double, text: String) {
        #expect(metricNumber(value) == text)
    }
}
