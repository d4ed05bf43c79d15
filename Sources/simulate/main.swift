// simulate: runs whole clusters under simulated faults, seed by seed.

import Glibc
import Simulation

var first: UInt64 = 1
var seeds: UInt64 = 1
/// Nil: as the seed says.
var members: Int?
var seconds: Int?
var bug: PlantedBug?
var trace: (@Sendable (String) -> Void)?
var arguments = CommandLine.arguments.dropFirst()

@MainActor func value(_ flag: String) -> UInt64 {
    guard let text = arguments.popFirst(), let number = UInt64(text) else {
        print("\(flag) needs a number")
        exit(2)
    }
    return number
}

while let flag = arguments.popFirst() {
    switch flag {
    case "--seed": first = value(flag)
    case "--seeds": seeds = value(flag)
    case "--members": members = Int(value(flag))
    case "--time": seconds = Int(value(flag))
    case "--bug":
        guard let name = arguments.popFirst(), let named = PlantedBug(rawValue: name) else {
            print("--bug needs one of \(PlantedBug.allCases.map(\.rawValue).joined(separator: " "))")
            exit(2)
        }
        bug = named
    case "--trace": trace = { print($0) }
    default:
        print("usage: simulate --seed N [--seeds COUNT] [--members 3|5|7] [--time SECONDS] [--bug NAME] [--trace]")
        exit(2)
    }
}

var failures: [UInt64] = []
for seed in first..<first + seeds {
    var one = SimulationSettings.varied(seed: seed)
    one.members = members ?? one.members
    one.seconds = seconds ?? one.seconds
    one.bug = bug
    one.trace = trace
    let result = Simulation(one).run()
    let counts = result.counts
    print(
        "seed \(seed) hash \(String(result.traceHash, radix: 16)) events \(counts.events) committed \(counts.committed) "
            + "acknowledged \(counts.acknowledged) reads \(counts.reads) unknown \(counts.unknown) elections \(counts.elections) "
            + "crashes \(counts.crashes) disk \(counts.diskErrors) snapshots \(counts.snapshotsSent)/\(counts.snapshotsInstalled) "
            + "members +\(counts.membershipChanges) -\(counts.removals) learners \(counts.learners) promoted \(counts.promotions) expired \(counts.leasesExpired) defragmented \(counts.defragmentations) watched \(counts.watchEvents) progress \(counts.watchProgress) walks \(counts.watchWalks) kept alive \(counts.keepAlives) by followers \(counts.followerKeepAlives)")
    if let violation = result.violation {
        failures.append(seed)
        print("seed \(seed) FAILED: \(violation)")
    }
}
print("\(seeds - UInt64(failures.count)) of \(seeds) seeds ran clean")
if !failures.isEmpty {
    print("failed: \(failures.map(String.init).joined(separator: " "))")
    exit(1)
}
