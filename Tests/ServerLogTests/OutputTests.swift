// Destinations: their choice, files, and rotation in a folder of the test's own.
import CZlib
import Foundation
import Testing

@testable import ServerLog

@Suite struct OutputTests {
    private static func sentence(_ outputs: [String], rotation: LogRotation? = nil) -> String? {
        do throws(LogSetupError) {
            _ = try LogDestination.parse(outputs: outputs, rotation: rotation)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func outputsAreChecked() {
        #expect(Self.sentence([]) == nil)
        #expect(Self.sentence(["stderr", "a.log"]) == nil)
        #expect(Self.sentence(["default", "a"]) == "multi logoutput for \"default\" is not supported yet")
        let rotationSentence = "--log-outputs requires a single file path when --log-rotate-config-json is defined"
        #expect(Self.sentence(["default"], rotation: LogRotation()) == rotationSentence)
        #expect(Self.sentence(["a", "b"], rotation: LogRotation()) == rotationSentence)
        #expect(Self.sentence(["a", "stderr"], rotation: LogRotation()) == nil)
    }

    @Test func nothingIsWrittenElsewhereWithDevNull() throws {
        let destinations = try LogDestination.parse(outputs: ["stdout", "/dev/null"], rotation: nil)
        guard destinations.count == 1, case .file("/dev/null") = destinations[0] else {
            Issue.record("\(destinations)")
            return
        }
    }

    @Test(arguments: [
        ("", "improperly formatted log rotation config: unexpected end of JSON input"),
        ("{", "improperly formatted log rotation config: invalid JSON"),
        (
            "[]",
            "invalid log rotation config: json: cannot unmarshal array into Go value of type embed.logRotationConfig"
        ),
        (
            #"{"maxsize": "1"}"#,
            "invalid log rotation config: json: cannot unmarshal string into Go struct field "
                + "logRotationConfig.maxsize of type int"
        ),
        (
            #"{"compress": 1}"#,
            "invalid log rotation config: json: cannot unmarshal number into Go struct field "
                + "logRotationConfig.compress of type bool"
        ),
    ])
    func rotationErrors(json: String, sentence: String) {
        #expect(throws: LogSetupError(sentence)) { try LogRotation(json: json) }
    }

    @Test func rotationSettings() throws {
        #expect(try LogRotation(json: LogRotation.defaultJSON) == LogRotation())
        let rotation = try LogRotation(json: #"{"MaxSize":1,"maxage":2,"maxbackups":3,"localtime":true,"x":{"y":[1]}}"#)
        #expect(rotation.maximumMegabytes == 1)
        #expect(rotation.maximumAgeDays == 2)
        #expect(rotation.maximumBackups == 3)
        #expect(rotation.localTime)
        #expect(!rotation.compress)
    }

    @Test func linesAreAppendedToAFileOnlyTheOwnerReads() throws {
        try withFolder { folder in
            let path = folder + "/etcd.log"
            let probe = LogProbe()
            for message in ["one", "two"] {
                let logger = try ServerLogger(
                    destinations: [.file(path), .file(folder + "/copy.log")],
                    clock: probe.clock()
                )
                logger.write(.info, message, caller: "", fields: [])
                logger.close()
            }
            let expected = ["one", "two"].map {
                #"{"level":"info","ts":"2026-11-24T00:11:35.516203Z","msg":""# + $0 + "\"}\n"
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == expected.joined())
            #expect(try String(contentsOfFile: folder + "/copy.log", encoding: .utf8) == expected.joined())
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func anUnusableFileIsReported() {
        #expect(throws: LogSetupError("open sink \"/nowhere/at/all\": open /nowhere/at/all: no such file or directory"))
        {
            try ServerLogger(destinations: [.file("/nowhere/at/all")])
        }
    }

    @Test func aFileIsSetAsideAtItsLimit() throws {
        try withFolder { folder in
            let path = folder + "/sub/etcd.log"
            let probe = LogProbe()
            var rotation = LogRotation()
            rotation.maximumMegabytes = 1
            rotation.maximumBackups = 2
            let logger = try ServerLogger(
                destinations: [.rotatingFile(path, rotation)],
                sampling: false,
                clock: probe.clock()
            )
            // Two lines fill a file; eight lines make four files, of which the current and two old ones stay.
            let text = String(repeating: "x", count: 500 << 10)
            for _ in 0..<8 {
                logger.write(.info, text, caller: "", fields: [])
                probe.advance(1_000_000_000)
            }
            logger.close()
            let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/sub").sorted()
            #expect(
                names == ["etcd-2026-11-24T00-11-39.516.log", "etcd-2026-11-24T00-11-41.516.log", "etcd.log"]
            )
        }
    }

    @Test(arguments: [1, 3]) func oldFilesAreCompressed(backups: Int) throws {
        try withFolder { folder in
            let path = folder + "/etcd.log"
            let probe = LogProbe()
            var rotation = LogRotation()
            rotation.maximumMegabytes = 1
            rotation.maximumBackups = backups
            rotation.compress = true
            // What an earlier process left: a whole file beside the beginning of its compressed form.
            let left = folder + "/etcd-2026-11-23T00-00-00.000.log"
            try "left".write(toFile: left, atomically: false, encoding: .utf8)
            try "half".write(toFile: left + ".gz", atomically: false, encoding: .utf8)
            let logger = try ServerLogger(
                destinations: [.rotatingFile(path, rotation)], sampling: false, clock: probe.clock())
            let text = String(repeating: "x", count: 500 << 10)
            for number in 0..<6 {
                logger.write(.info, "\(number)" + text, caller: "", fields: [])
                probe.advance(1_000_000_000)
            }
            logger.close()
            var expected = ["etcd-2026-11-24T00-11-39.516.log.gz", "etcd.log"]
            if backups == 3 {
                expected = ["etcd-2026-11-23T00-00-00.000.log.gz", "etcd-2026-11-24T00-11-37.516.log.gz"] + expected
            }
            // Compression goes on beside.
            let deadline = Date() + 60
            var names: [String] = []
            while names != expected, Date() < deadline {
                names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                usleep(10_000)
            }
            #expect(names == expected)
            for name in names where name.hasSuffix(".gz") {
                let unpacked = try #require(gunzip(folder + "/" + name))
                let isLeft = name.contains("11-23")
                #expect(isLeft ? unpacked == Array("left".utf8) : unpacked.count > 1000 << 10 && unpacked.last == UInt8(ascii: "\n"))
            }
        }
    }

    private func gunzip(_ path: String) -> [UInt8]? {
        guard let file = gzopen(path, "rb") else { return nil }
        defer { gzclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4 << 20)
        let count = bytes.withUnsafeMutableBytes { gzread(file, $0.baseAddress, UInt32($0.count)) }
        return count < 0 ? nil : Array(bytes.prefix(Int(count)))
    }

    @Test func agedFilesAreDeletedAndOthersLeftAlone() throws {
        try withFolder { folder in
            let path = folder + "/etcd.log"
            let probe = LogProbe()
            for name in [
                "etcd-2026-11-01T00-00-00.000.log", "etcd-2026-11-23T23-00-00.000.log", "etcd-notes.log", "other.log",
            ] {
                try "old".write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
            }
            try String(repeating: "y", count: 1 << 20).write(toFile: path, atomically: false, encoding: .utf8)
            var rotation = LogRotation()
            rotation.maximumMegabytes = 1
            rotation.maximumAgeDays = 2
            let logger = try ServerLogger(destinations: [.rotatingFile(path, rotation)], clock: probe.clock())
            logger.info("m")
            logger.close()
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(
                names == [
                    "etcd-2026-11-23T23-00-00.000.log", "etcd-2026-11-24T00-11-35.516.log", "etcd-notes.log",
                    "etcd.log",
                    "other.log",
                ]
            )
        }
    }

    @Test func linesOfManyThreadsStayWhole() async throws {
        let probe = LogProbe()
        let logger = try probe.logger()
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    for index in 0..<50 { logger.write(.info, "w\(worker)i\(index)", caller: "", fields: []) }
                }
            }
        }
        #expect(Set(probe.written).count == 200)
        #expect(probe.written.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("\"}\n") })
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "/server-log-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }
}
