// The tutorial shows code that compiles: each of its blocks stands in `Tutorial.swift`, line for line.

import Foundation
import Testing

@Suite("Tutorial")
struct TutorialTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let articles = tests.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources/EtcdClient/EtcdClient.docc")

    private static func lines(_ text: some StringProtocol) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    @Test("every block of every article is in the compiled file")
    func blocks() throws {
        let compiled = Self.lines(
            try String(contentsOf: Self.tests.appendingPathComponent("Tutorial.swift"), encoding: .utf8)
        )
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.articles.path) where name.hasSuffix(".md")
        {
            let article = try String(contentsOf: Self.articles.appendingPathComponent(name), encoding: .utf8)
            for part in article.components(separatedBy: "```swift\n").dropFirst() {
                let block = Self.lines(part.components(separatedBy: "```")[0])
                count += 1
                let stands = compiled.indices.contains { Array(compiled[$0...].prefix(block.count)) == block }
                #expect(stands && !block.isEmpty, "\(name): \(block.joined(separator: "\n"))")
            }
        }
        #expect(count >= 9)
    }
}
