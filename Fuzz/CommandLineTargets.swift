// What people type: words of a command line, numbers, durations, quotes, and bytes that are no text.

import CommandLineKit

private let tree: Command = {
    var root = Command("tool", "", "")
    root.persistentFlags = [Flag("write-out", "w", .string, "simple", ""), Flag("endpoints", nil, .stringList, "", "")]
    root.commands = [
        Command(
            "get",
            "",
            "",
            flags: [
                Flag("limit", nil, .int, "0", ""), Flag("wait", nil, .duration, "1s", ""),
                Flag("all", "a", .bool, "", ""),
            ]
        ) { _ in },
        Command("put", "", "", flags: [Flag("most", nil, .uint, "0", "")]) { _ in },
    ]
    return root
}()

@Sendable func fuzzCommandLine(_ input: UnsafeRawBufferPointer) {
    let bytes = Array(input)
    let text = String(rawBytes: bytes)
    precondition(text.rawBytes == bytes, "bytes are lost")
    guard let quoted = QuotedText.unquote(Array(bytes.quoted.utf8)[...]), quoted.text == bytes, quoted.rest.isEmpty
    else {
        preconditionFailure("a quote is not read as it was written")
    }
    for base in [0, 10, 16] {
        _ = try? GoNumber.int(text, base: base)
        _ = try? GoNumber.unsigned(text, base: base)
    }
    _ = try? Duration.parsed(goText: text)
    guard let words = try? QuotedText.words(text) else { return }
    _ = Parser.parse(tree, words)
    _ = Completion.candidates(tree, words)
}
