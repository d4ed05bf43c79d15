import Testing

@testable import DataDriven

@Suite("Data-driven files")
struct DataDrivenTests {
    private func parse(_ text: String) throws(DataDrivenError) -> [Directive] {
        try DataDrivenFile(name: "file", text: text).directives
    }

    @Test("a directive has a command, arguments, input and output")
    func directive() throws {
        let directives = try parse(
            """
            # a comment
            say hello to=world list=(1, (2, 3), x y) empty=

            some input

            ----
            the output
            more of it

            # another
            next
            ----
            """
        )
        #expect(directives.count == 2)
        #expect(directives[0].command == "say")
        #expect(
            directives[0].arguments == [
                .init(key: "hello", values: []), .init(key: "to", values: ["world"]),
                .init(key: "list", values: ["1", "(2, 3)", "x y"]), .init(key: "empty", values: [""]),
            ]
        )
        #expect(directives[0].input == "some input")
        #expect(directives[0].expected == "the output\nmore of it\n")
        #expect(directives[0].line == 2)
        #expect(directives[0].expectedLine == 7)
        #expect(directives[1].command == "next")
        #expect(directives[1].expected == "")
    }

    @Test("output with blank lines stands between doubled separators")
    func doubled() throws {
        let directives = try parse("one\n----\n----\na\n\nb\n----\nc\n----\n----\n\ntwo\n----\nd\n")
        #expect(directives.map(\.expected) == ["a\n\nb\n----\nc\n", "d\n"])
        #expect(directives[0].expectedLine == 4)
    }

    @Test("a line may go on in the next")
    func continuation() throws {
        let directives = try parse("one a \\\n  b\n----\nok\n")
        #expect(directives[0].arguments.map(\.key) == ["a", "b"])
        #expect(directives[0].expected == "ok\n")
    }

    @Test(
        "lines that are no commands are complained of with their place",
        arguments: ["one =a", "one a=(1", "one a=((1)"]
    )
    func malformed(line: String) {
        #expect(throws: DataDrivenError(line: 2, "cannot parse directive: \(line)")) {
            try parse("# first\n\(line)\n----\n")
        }
    }

    @Test("there is no difference where everything comes as expected")
    func agreement() throws {
        let file = try DataDrivenFile(name: "file", text: "one\n----\na\nb\n\ntwo\n----\n----\na\n\nb\n----\n----\n")
        let difference = file.run { directive in directive.command == "one" ? "a\nb" : "a\n\nb\n" }
        #expect(difference == "")
    }

    @Test("differences are a unified diff with the file's line numbers")
    func difference() throws {
        let file = try DataDrivenFile(name: "file", text: "one\n----\na\nb\nc\n\ntwo\n----\nd\n\nthree\n----\n")
        let difference = file.run { directive in
            switch directive.command {
            case "one": "a\nc\nx\ny\n"
            case "two": "e\n"
            default: "f\n"
            }
        }
        #expect(
            difference == """
                --- file
                +++ file
                @@ -3,3 +3,4 @@
                 a
                -b
                 c
                +x
                +y
                @@ -9,1 +10,1 @@
                -d
                +e
                @@ -12,0 +14,1 @@
                +f

                """
        )
    }

    @Test("a failure ends the run and says where")
    func failure() throws {
        let file = try DataDrivenFile(name: "file", text: "one\n----\na\n\ntwo\n----\nb\n\nthree\n----\nc\n")
        var seen: [String] = []
        let difference = file.run { (directive) throws(DataDrivenError) in
            seen.append(directive.command)
            if directive.command == "two" { throw DataDrivenError("no such thing") }
            return "a\n"
        }
        #expect(difference == "file:5: no such thing\n")
        #expect(seen == ["one", "two"])
    }
}
