// What a member must not forget over a restart, besides its log.

package import Base
package import Wire

package struct HardState: WireMessage {
    package var term: Term
    /// Who got this member's vote in `term`; 0: nobody.
    package var vote: MemberID
    /// The highest index known to be committed.
    package var commit: LogIndex

    package init(term: Term = 0, vote: MemberID = 0, commit: LogIndex = 0) {
        self.term = term
        self.vote = vote
        self.commit = commit
    }

    package var isEmpty: Bool { term == 0 && vote == 0 && commit == 0 }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: term = try reader.uint64(field)
            case 2: vote = try reader.uint64(field)
            case 3: commit = try reader.uint64(field)
            default: try reader.skip(field)
            }
        }
    }

    package var encodedSize: Int { numberFieldSize(term) + numberFieldSize(vote) + numberFieldSize(commit) }

    package func encode(into writer: inout WireWriter) {
        writer.explicit(1, term)
        writer.explicit(2, vote)
        writer.explicit(3, commit)
    }
}
