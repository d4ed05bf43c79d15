// A YAML document as it is written, before anybody asks what its scalars mean. libyaml reads it, event by event.

import CYAML

indirect enum YAMLNode {
    /// - isText: whether quotes, a block's sign or a tag say that it is a text, whatever it looks like.
    case scalar(String, isText: Bool)
    case sequence([YAMLNode])
    case mapping([(key: YAMLNode, value: YAMLNode)])

    /// The first document of a text; nil if there is none.
    /// - Throws: ``YAMLProblem`` if the text is no YAML.
    static func document(_ text: [UInt8]) throws(YAMLProblem) -> YAMLNode? {
        let reader = try YAMLReader(text)
        return try reader.document()
    }
}

/// libyaml's parser, and the nodes that had an anchor.
private final class YAMLReader {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeMutablePointer<UInt8>
    private var event = yaml_event_t()
    private var anchors: [String: YAMLNode] = [:]

    init(_ bytes: [UInt8]) throws(YAMLProblem) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        text = .allocate(capacity: max(1, bytes.count))
        text.initialize(from: bytes, count: bytes.count)
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLProblem(sentence: "out of memory") }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text, bytes.count)
    }

    deinit {
        yaml_event_delete(&event)
        yaml_parser_delete(parser)
        parser.deallocate()
        text.deallocate()
    }

    /// The first document; what follows it is not looked at, as in Go.
    func document() throws(YAMLProblem) -> YAMLNode? {
        try advance()  // past the stream's start
        try advance()
        if event.type == YAML_STREAM_END_EVENT { return nil }
        try advance()  // past the document's start
        return try node()
    }

    private func advance() throws(YAMLProblem) {
        yaml_event_delete(&event)
        guard yaml_parser_parse(parser, &event) == 1 else {
            let words = parser.pointee.problem.map { String(cString: $0) } ?? "out of memory"
            throw YAMLProblem(sentence: place + words)
        }
    }

    /// Go's words for where the parser stopped: none on the first line, and a count from zero, but for the scanner.
    private var place: String {
        let (problem, context) = (parser.pointee.problem_mark.line, parser.pointee.context_mark.line)
        if problem != 0 { return "line \(parser.pointee.error == YAML_SCANNER_ERROR ? problem + 1 : problem): " }
        return context != 0 ? "line \(context): " : ""
    }

    /// The node that the event at hand begins; its last event is the one at hand afterwards.
    private func node() throws(YAMLProblem) -> YAMLNode {
        switch event.type {
        case YAML_ALIAS_EVENT:
            let name = string(event.data.alias.anchor) ?? ""
            guard let node = anchors[name] else { throw YAMLProblem(sentence: "unknown anchor '\(name)' referenced") }
            return node
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let content = UnsafeBufferPointer(start: scalar.value, count: Int(scalar.length))
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE || scalar.style == YAML_ANY_SCALAR_STYLE
            let tag = string(scalar.tag)
            let node = YAMLNode.scalar(
                String(decoding: content, as: UTF8.self), isText: !isPlain || tag == "!" || tag == YAML_STR_TAG)
            if let anchor = string(scalar.anchor) { anchors[anchor] = node }
            return node
        case YAML_SEQUENCE_START_EVENT:
            let anchor = string(event.data.sequence_start.anchor)
            var elements: [YAMLNode] = []
            try advance()
            while event.type != YAML_SEQUENCE_END_EVENT {
                elements.append(try node())
                try advance()
            }
            let node = YAMLNode.sequence(elements)
            if let anchor { anchors[anchor] = node }
            return node
        case YAML_MAPPING_START_EVENT:
            let anchor = string(event.data.mapping_start.anchor)
            let node = try mapping()
            if let anchor { anchors[anchor] = node }
            return node
        default:
            throw YAMLProblem(sentence: "did not find expected node content")
        }
    }

    private func mapping() throws(YAMLProblem) -> YAMLNode {
        var members: [(key: YAMLNode, value: YAMLNode)] = []
        try advance()
        while event.type != YAML_MAPPING_END_EVENT {
            let key = try node()
            try advance()
            members.append((key, try node()))
            try advance()
        }
        return .mapping(members)
    }

    private func string(_ bytes: UnsafePointer<yaml_char_t>?) -> String? { bytes.map { String(cString: $0) } }
}
