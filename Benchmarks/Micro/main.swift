// The hot pieces one by one: nanoseconds and allocations for each. Allocations repeat exactly and are what to watch;
// times are for orientation.

import BBolt
import Backend
import Base
import CAllocations
import EtcdWire
import FileIO
import Glibc
import MVCC
import RaftWire
import SimulatedDisk
import Wire

func nanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

nonisolated(unsafe) var sink = 0

func measure(_ name: String, _ count: Int, _ body: (Int) throws -> Int) rethrows {
    for index in 0..<min(count, 1000) { sink &+= try body(index) }
    let (begun, before) = (nanoseconds(), allocation_count())
    for index in 0..<count { sink &+= try body(index) }
    let (took, made) = (nanoseconds() - begun, allocation_count() - before)
    let each = (Double(took) / Double(count)).rounded()
    let allocations = (Double(made) / Double(count) * 100).rounded() / 100
    print("\(name): \(Int(each)) ns, \(allocations) allocations")
}

func key(_ number: Int) -> Bytes {
    let digits = String(number)
    return Bytes("/registry/pods/" + String(repeating: "0", count: 8 - digits.count) + digits)
}

final class Listener: WatchTableMember {
    let range: KeyRange
    var slot = 0
    init(_ range: KeyRange) { self.range = range }
}

let value = Bytes([UInt8](repeating: 120, count: 256))
let put = PutRequest(key: key(7), value: value).encoded()
let entry = InternalRaftRequest.encode(header: RequestHeader(id: 9), kind: .put, request: put)
let message = Message(
    type: .append, to: 2, from: 1, term: 3, logTerm: 3, index: 10,
    entries: (0..<10).map { Entry(term: 3, index: UInt64(11 + $0), data: entry) }, commit: 10
).encoded()

try measure("decode a put", 200_000) { _ in try PutRequest(decoding: put).value.count }
measure("wrap a put into an entry", 200_000) { _ in
    InternalRaftRequest.encode(header: RequestHeader(id: 9), kind: .put, request: put).count
}
try measure("decode an entry's request", 200_000) { _ in try InternalRaftRequest(decoding: entry).header.map { Int($0.id) } ?? 0 }
try measure("decode an append message of 10 entries", 50_000) { _ in try Message(decoding: message).entries.count }

let disk = SimulatedDisk(seed: 1)
var committer = try Committer(path: "/db", fileSystem: disk)
var backend = try Backend(reader: committer.beginRead())
var store = Store()
let keys = (0..<100_000).map(key)
measure("put a new key", keys.count) { index in
    store.begin()
    store.put(keys[index], value: value, lease: 0, to: &backend)
    return store.end().count
}
measure("put a known key", 100_000) { index in
    store.begin()
    store.put(keys[index * 7919 % keys.count], value: value, lease: 0, to: &backend)
    return store.end().count
}
let view = store.momentaryView(backend)
try measure("get a key", 100_000) { index in
    try view.answer(RangeRequest(key: keys[index * 7919 % keys.count])).body.count
}
try measure("range of 100 keys", 2_000) { index in
    try view.answer(RangeRequest(key: keys[index % 1000], rangeEnd: Bytes([0]), limit: 100)).body.count
}

var table = WatchTable<Listener>()
for index in 0..<10_000 { table.insert(Listener(KeyRange(key: keys[index]))) }
for index in 0..<10_000 { table.insert(Listener(KeyRange(key: keys[index], end: keys[index + 10]))) }
measure("match a change against 20,000 watchers", 100_000) { index in
    var found = 0
    table.forEach(watching: keys[index % keys.count]) { _ in found += 1 }
    return found
}
precondition(sink != 0)
