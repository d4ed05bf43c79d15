import Base
import CommandLineKit
import EtcdWire
import Foundation
import RaftWire
import SwiftProtobuf
import Testing

@testable import Utility

@Suite("etcdutl: migrations, entries, paths")
struct MigrationTests {
    private func entry(_ request: Etcdserverpb_InternalRaftRequest, index: UInt64 = 1) throws -> Entry {
        Entry(term: 1, index: index, data: Bytes(try request.serializedBytes() as [UInt8]))
    }

    @Test("a target is X.Y, and 3.5 at least")
    func target() throws {
        #expect(try MigrateCommand.target("3.6") == SemanticVersion(3, 6))
        for wrong in ["3", "3.6.0", "a.b", "3.4", ""] {
            #expect(throws: CommandExit.self, "\(wrong)") { try MigrateCommand.target(wrong) }
        }
    }

    @Test("steps lead over known versions only, and down only where the log is understood")
    func check() throws {
        let (v5, v6, v7) = (SemanticVersion(3, 5), SemanticVersion(3, 6), SemanticVersion(3, 7))
        try MigrateCommand.check(from: v7, to: v5, v5)
        try MigrateCommand.check(from: v5, to: v7, v6)
        #expect(throws: MigrateCommand.UnsupportedMigration.self) { try MigrateCommand.check(from: v7, to: v5, v6) }
        #expect(
            throws: MigrateCommand.UnsupportedMigration(
                reason: "cannot create migration plan: version \"3.8.0\" is not supported"
            )
        ) { try MigrateCommand.check(from: v7, to: SemanticVersion(3, 9), v5) }
        #expect(throws: MigrateCommand.UnsupportedMigration.self) {
            try MigrateCommand.check(from: v7, to: SemanticVersion(4, 0), v5)
        }
    }

    @Test("the log's oldest reader is 3.5 unless a test of downgrades is in it")
    func oldestReader() throws {
        var put = Etcdserverpb_InternalRaftRequest()
        put.put.key = Data("a".utf8)
        #expect(MigrateCommand.oldestReader(of: [try entry(put)]) == SemanticVersion(3, 5))
        var test = Etcdserverpb_InternalRaftRequest()
        test.downgradeVersionTest.ver = "3.7.0"
        #expect(MigrateCommand.oldestReader(of: [try entry(put), try entry(test)]) == SemanticVersion(3, 7))
    }

    @Test("an entry is one line, its password is not shown")
    func entryText() throws {
        var request = Etcdserverpb_InternalRaftRequest()
        request.put.key = Data("a b".utf8)
        request.put.lease = 7
        #expect(EntryText.line(try entry(request, index: 12)) == "   1\t        12\tnorm\tput:{ key:\"a b\" lease:7 }")
        var user = Etcdserverpb_InternalRaftRequest()
        user.authUserAdd.name = "u"
        user.authUserAdd.password = "secret"
        user.authUserAdd.hashedPassword = "hash-of-it"
        let line = EntryText.line(try entry(user))
        #expect(line.contains("name:\"u\"") && !line.contains("secret") && !line.contains("hash-of-it"))
        let change = ConfChange(type: .addLearnerNode, nodeID: 0xAB)
        let configuration = Entry(term: 2, index: 3, type: .confChange, data: change.encoded())
        #expect(EntryText.line(configuration) == "   2\t         3\tconf\tmethod=ConfChangeAddLearnerNode id=ab")
        #expect(EntryFilter.configChange.passes(configuration) && !EntryFilter.normal.passes(configuration))
        let put = try entry(request)
        #expect(EntryFilter.put.passes(put) && !EntryFilter.txn.passes(put))
    }

    @Test("paths are joined as Go joins them")
    func paths() {
        #expect(
            join("a/", "member") == "a/member" && join("./a", "m") == "a/m" && join("/", "m") == "/m"
                && join(".", "m") == "m"
        )
    }

    @Test("every command has help, and the shells complete it")
    func commands() {
        #expect(Completion.candidates(Etcdutl.root, ["snap"]) == ["snapshot"])
        #expect(
            Completion.candidates(Etcdutl.root, ["bbolt", "surgery", ""]) == [
                "clear-page", "clear-page-elements", "copy-page", "freelist", "meta", "revert-meta-page",
            ]
        )
        for command in Etcdutl.root.commands { #expect(Help.text([Etcdutl.root, command]).contains("Usage:")) }
    }
}
