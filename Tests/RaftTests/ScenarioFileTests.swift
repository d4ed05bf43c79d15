// The scenarios beside this file: groups of nodes, quorums and configurations, with everything they print.

import Foundation
import RaftScenarios
import Testing

@Suite("Scenarios")
struct ScenarioFileTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scenarios")

    static var names: [String] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return all.filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test("the scenarios are found")
    func found() {
        #expect(Self.names.count >= 12)
    }

    @Test("everything comes as the file says", arguments: names)
    func scenario(name: String) throws {
        let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
        let difference = ScenarioRunner.run(name: name, text: text)
        #expect(difference == "")
    }

    @Test("a difference is reported")
    func difference() {
        let text = "add-nodes 1 voters=(1) index=3\n----\nsomething else\n"
        #expect(ScenarioRunner.run(name: "file", text: text).contains("-something else\n+INFO 1 switched to"))
    }

    @Test(
        "directives that mean nothing are complained of",
        arguments: [
            "campaign 7", "campaign", "deliver-msgs type=MsgNone", "vote cfg=(x)", "set-randomized-election-timeout 1",
        ]
    )
    func malformed(line: String) {
        #expect(ScenarioRunner.run(name: "file", text: "\(line)\n----\n").hasPrefix("file:1: "))
    }
}
