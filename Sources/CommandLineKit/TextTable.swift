// A table in a frame of lines, as etcd's tools have drawn them since 3.6.

package enum TextTable {
    /// Titles in capitals and centred, cells at the right.
    /// - Parameter rows: each as long as `header`.
    package static func drawing(_ header: [String], _ rows: [[String]]) -> String {
        let titles = header.map {
            $0.uppercased().split(separator: "_", omittingEmptySubsequences: false).joined(separator: " ")
        }
        let widths = titles.indices.map { column in
            max(titles[column].count, rows.map { $0[column].count }.max() ?? 0)
        }
        func line(_ left: String, _ middle: String, _ right: String) -> String {
            left + widths.map { String(repeating: "─", count: $0 + 2) }.joined(separator: middle) + right + "\n"
        }
        func blanks(_ count: Int) -> String { String(repeating: " ", count: count) }
        let head = zip(titles, widths).map { title, width -> String in
            let free = width - title.count
            return " " + blanks(free / 2) + title + blanks(free - free / 2) + " "
        }
        var text = line("┌", "┬", "┐") + "│" + head.joined(separator: "│") + "│\n"
        if !rows.isEmpty { text += line("├", "┼", "┤") }
        for row in rows {
            text += "│" + zip(row, widths).map { " " + blanks($1 - $0.count) + $0 + " " }.joined(separator: "│") + "│\n"
        }
        return text + line("└", "┴", "┘")
    }
}
