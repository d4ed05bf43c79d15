// Fuzz targets for everything that reads bytes from a wire, a disk or a person; libFuzzer drives them.
//
// The environment variable FUZZ_TARGET chooses; `make fuzz` runs all. A target returns normally on any input: a trap, a
// hang or a lost invariant is the finding.

import Foundation

typealias Target = @Sendable (UnsafeRawBufferPointer) -> Void

private let targets: [String: Target] = [
    "protobuf": fuzzProtobuf, "peer-streams": fuzzPeerStreams, "wal": fuzzWAL, "snap": fuzzSnapshotFile, "bbolt": fuzzBBolt,
    "http2": fuzzHTTP2, "configuration": fuzzConfiguration, "gateway-json": fuzzGatewayJSON,
    "service-records": fuzzServiceRecords, "command-line": fuzzCommandLine, "tokens": fuzzTokens,
    "revocation-lists": fuzzRevocationLists, "client-frames": fuzzClientFrames, "trace-context": fuzzTraceContext,
]

private let chosen: Target = {
    let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
    guard let target = targets[name] else {
        FileHandle.standardError.write(Data("FUZZ_TARGET must be one of: \(targets.keys.sorted().joined(separator: " "))\n".utf8))
        exit(2)
    }
    return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    chosen(UnsafeRawBufferPointer(start: bytes, count: size))
    return 0
}
