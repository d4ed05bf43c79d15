// raft-scenarios FILE…: runs data-driven files about raft, prints a unified diff where the output is not as they say,
// and exits with 1 if there is any difference, with 2 if a file cannot be read.

import Foundation
import RaftScenarios

let paths = CommandLine.arguments.dropFirst()
if paths.isEmpty {
    FileHandle.standardError.write(Data("usage: raft-scenarios FILE...\n".utf8))
    exit(2)
}
var status: Int32 = 0
for path in paths {
    guard let contents = FileManager.default.contents(atPath: path) else {
        FileHandle.standardError.write(Data("raft-scenarios: cannot read \(path)\n".utf8))
        status = 2
        continue
    }
    let difference = ScenarioRunner.run(name: path, text: String(decoding: contents, as: UTF8.self))
    if !difference.isEmpty {
        FileHandle.standardOutput.write(Data(difference.utf8))
        status = max(status, 1)
    }
}
exit(status)
