// Shape of log lines: one JSON object per line, or tab-separated columns for people.

package enum LogFormat: String, Sendable, CaseIterable {
    case json, console
}
