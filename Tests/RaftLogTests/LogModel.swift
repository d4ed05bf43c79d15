// What a log should say, kept beside the log under test.

import Base
import FileIO
import RaftWire
import SimulatedDisk
import Testing

@testable import RaftLog

let origin = WALSnapshot(index: 0, term: 0, confState: nil)

/// One record as a test appended it.
enum Appended: Equatable {
    case entry(Entry)
    case state(HardState)
    case snapshot(WALSnapshot)
}

/// The meaning of a run of records.
struct LogModel: Equatable {
    var entries: [Entry] = []
    var hardState = HardState()

    init(_ records: some Sequence<Appended>, from start: LogIndex = 0) {
        for record in records {
            switch record {
            case .entry(let entry):
                entries.removeAll { $0.index >= entry.index }
                entries.append(entry)
            case .state(let state): hardState = state
            case .snapshot: break
            }
        }
        entries.removeAll { $0.index <= start }
    }

    init(_ contents: WALContents) {
        entries = contents.entries
        hardState = contents.hardState
    }
}

func text(_ count: Int, _ random: inout SeededRandom) -> Bytes {
    Bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() % 94) + 33 })
}

func entry(_ index: LogIndex, term: Term = 1, _ data: Bytes = "data") -> Entry {
    Entry(term: term, index: index, type: .normal, data: data)
}

/// The bytes of a segment up to its first zero length.
func usedBytes(_ disk: SimulatedDisk, _ path: String) throws -> Bytes {
    let contents = try disk.contents(of: path)
    var offset = 0
    while offset + 8 <= contents.count {
        let field = littleEndian(contents[offset..<offset + 8])
        if field == 0 { break }
        let size = Int(field & (1 << 56 - 1))
        offset += 8 + size + (field >> 63 == 1 ? Int(field >> 56 & 7) : 0)
    }
    return contents.prefix(offset)
}

func firstSegment(_ directory: String = "wal") -> String { "\(directory)/0000000000000000-0000000000000000.wal" }

func hex(_ bytes: Bytes) -> String {
    bytes.array.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension SimulatedDisk {
    /// Overwrites part of a file, or shortens it.
    func overwrite(_ path: String, at offset: Int, with bytes: Bytes) throws {
        let file = try open(path, .readWrite)
        defer { file.close() }
        try file.write(bytes, at: UInt64(offset))
    }

    func truncate(_ path: String, to size: Int) throws {
        let file = try open(path, .readWrite)
        defer { file.close() }
        try file.truncate(to: UInt64(size))
    }
}
