// URLs of listeners and members, read as Go's net/url reads them and printed as it prints them: member IDs are
// hashes over these texts and error sentences quote them, so both directions have to agree with etcd.
// Algorithm: RFC 3986 with Go's checks (package net/url, `Parse`), followed by etcd's own rules for endpoints.
import ServerLog

package struct EndpointURL: Sendable, Hashable, CustomStringConvertible {
    package enum Scheme: String, Sendable {
        case http, https, unix, unixs
    }

    package let scheme: Scheme
    /// `host:port` as written, IPv6 addresses in brackets.
    package let host: String
    /// Only socket URLs have one.
    package let path: String
    /// The URL's canonical text.
    package let description: String

    package static let localPeer = EndpointURL(scheme: .http, host: "localhost:2380")
    package static let localClient = EndpointURL(scheme: .http, host: "localhost:2379")

    package init(scheme: Scheme, host: String) {
        self.scheme = scheme
        self.host = host
        path = ""
        description = "\(scheme.rawValue)://\(host)"
    }

    /// The host without brackets and port.
    package var hostname: String {
        guard let split = Self.splitHostPort(host) else { return host }
        return split.host
    }

    /// The text behind the last colon, possibly empty.
    package var port: String { Self.splitHostPort(host)?.port ?? "" }
    package var isTLS: Bool { scheme == .https || scheme == .unixs }
    package var isSocket: Bool { scheme == .unix || scheme == .unixs }
    /// The file of a socket URL. etcd joins host and path, so `unix://name:1` is a file called `name:1`.
    package var socketPath: String { host + path }
}

/// Why a text is not an endpoint URL; `description` is etcd's sentence.
package struct EndpointURLError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

extension EndpointURL {
    /// The URLs of a comma-separated list, sorted by their text as etcd does.
    package static func list(_ text: String) throws(EndpointURLError) -> [EndpointURL] {
        try list(text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
    }

    package static func list(_ texts: [String]) throws(EndpointURLError) -> [EndpointURL] {
        if texts.isEmpty { throw EndpointURLError(description: "no valid URLs given") }
        var urls: [EndpointURL] = []
        for text in texts { urls.append(try EndpointURL(parsing: trimmed(text))) }
        return urls.sorted { $0.description.utf8.lexicographicallyPrecedes($1.description.utf8) }
    }

    /// Reads one URL without surrounding space.
    package init(parsing text: String) throws(EndpointURLError) {
        let parsed = try URLText(text)
        switch parsed.scheme {
        case "http", "https":
            if Self.splitHostPort(parsed.host) == nil {
                throw EndpointURLError(description: "URL address does not have the form \"host:port\": \(text)")
            }
            if !parsed.path.isEmpty {
                throw EndpointURLError(description: "URL must not contain a path: \(text)")
            }
        case "unix", "unixs": break
        default: break
        }
        guard let scheme = Scheme(rawValue: parsed.scheme) else {
            throw EndpointURLError(description: "URL scheme must be http, https, unix, or unixs: \(text)")
        }
        self.scheme = scheme
        host = parsed.host
        path = parsed.opaque.isEmpty ? parsed.path : parsed.opaque
        description = parsed.canonical
    }

    private static func trimmed(_ text: String) -> String {
        var slice = text[...]
        while slice.first?.isWhitespace == true { slice.removeFirst() }
        while slice.last?.isWhitespace == true { slice.removeLast() }
        return String(slice)
    }

    /// Splits `host:port` and `[v6]:port`; nil if there is no port or the host has stray colons or brackets.
    package static func splitHostPort(_ text: String) -> (host: String, port: String)? {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let port = String(text[text.utf8.index(after: colon)...])
        var host = text[..<colon]
        if host.first == "[" {
            guard host.last == "]", host.utf8.count >= 2 else { return nil }
            host = host.dropFirst().dropLast()
        } else if host.utf8.contains(UInt8(ascii: ":")) {
            return nil
        }
        if host.utf8.contains(UInt8(ascii: "[")) || host.utf8.contains(UInt8(ascii: "]")) { return nil }
        return (String(host), port)
    }
}

/// The parts of any URL text.
private struct URLText {
    var scheme = ""
    var opaque = ""
    var userInformation = ""
    var host = ""
    var path = ""
    var query: String?
    var fragment: String?
    /// `scheme:/path`: a path without the empty authority's slashes.
    var omitsAuthority = false

    init(_ text: String) throws(EndpointURLError) {
        let fragmentParts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let body = fragmentParts.first.map(String.init) ?? ""
        if fragmentParts.count == 2, !fragmentParts[1].isEmpty { fragment = String(fragmentParts[1]) }
        do throws(Problem) {
            try parse(body)
        } catch {
            throw EndpointURLError(description: "parse \(goQuoted(body)): \(error.sentence)")
        }
    }

    private struct Problem: Error {
        let sentence: String
    }

    private mutating func parse(_ text: String) throws(Problem) {
        if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            throw Problem(sentence: "net/url: invalid control character in URL")
        }
        var rest = text[...]
        if let colon = try Self.schemeEnd(text) {
            scheme = text[..<colon].lowercased()
            rest = text[text.index(after: colon)...]
        }
        if let mark = rest.utf8.firstIndex(of: UInt8(ascii: "?")) {
            query = String(rest[rest.utf8.index(after: mark)...])
            rest = rest[..<mark]
        }
        if !rest.hasPrefix("/") {
            if !scheme.isEmpty {
                opaque = String(rest)
                return
            }
            let segment = rest.prefix { $0 != "/" }
            if segment.utf8.contains(UInt8(ascii: ":")) {
                throw Problem(sentence: "first path segment in URL cannot contain colon")
            }
        }
        if rest.hasPrefix("//"), !scheme.isEmpty || !rest.hasPrefix("///") {
            let afterSlashes = rest.dropFirst(2)
            let authority = afterSlashes.prefix { $0 != "/" }
            rest = afterSlashes[authority.endIndex...]
            try parseAuthority(authority)
        } else if !scheme.isEmpty {
            omitsAuthority = true
        }
        try Self.checkEscapes(rest)
        path = String(rest)
    }

    /// The colon behind the scheme; nil if the text has no scheme.
    private static func schemeEnd(_ text: String) throws(Problem) -> String.Index? {
        for index in text.utf8.indices {
            switch text.utf8[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): continue
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                if index == text.startIndex { return nil }
            case UInt8(ascii: ":"):
                if index == text.startIndex { throw Problem(sentence: "missing protocol scheme") }
                return index
            default: return nil
            }
        }
        return nil
    }

    private mutating func parseAuthority(_ authority: Substring) throws(Problem) {
        var hostText = authority
        if let at = authority.utf8.lastIndex(of: UInt8(ascii: "@")) {
            let user = authority[..<at]
            hostText = authority[authority.utf8.index(after: at)...]
            let allowed = Set("-._:~!$&'()*+,;=%@".utf8)
            let valid = user.utf8.allSatisfy { Self.isAlphanumeric($0) || allowed.contains($0) }
            if !valid { throw Problem(sentence: "net/url: invalid userinfo") }
            try Self.checkEscapes(user)
            userInformation = String(user)
        }
        var portText: Substring = ""
        if hostText.hasPrefix("[") {
            guard let bracket = hostText.utf8.lastIndex(of: UInt8(ascii: "]")) else {
                throw Problem(sentence: "missing ']' in host")
            }
            portText = hostText[hostText.utf8.index(after: bracket)...]
        } else if let colon = hostText.utf8.lastIndex(of: UInt8(ascii: ":")) {
            portText = hostText[colon...]
        }
        if !portText.isEmpty,
            portText.utf8.first != UInt8(ascii: ":")
                || !portText.utf8.dropFirst().allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
        {
            throw Problem(sentence: "invalid port \(goQuoted(String(portText))) after host")
        }
        try Self.checkEscapes(hostText)
        let allowed = Set("-_.~!$&'()*+,;=:[]<>\"%".utf8)
        for scalar in hostText.unicodeScalars where scalar.isASCII {
            let byte = UInt8(scalar.value)
            if !Self.isAlphanumeric(byte), !allowed.contains(byte) {
                throw Problem(sentence: "invalid character \(goQuoted(String(scalar))) in host name")
            }
        }
        host = String(hostText)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func checkEscapes(_ text: Substring) throws(Problem) {
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "%") {
            let sequence = bytes[index..<min(index + 3, bytes.count)]
            let digits = sequence.dropFirst()
            if digits.count < 2 || !digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) {
                throw Problem(
                    sentence: "invalid URL escape \(goQuoted(String(decoding: sequence, as: UTF8.self)))"
                )
            }
        }
    }

    var canonical: String {
        var text = scheme.isEmpty ? "" : scheme + ":"
        if !opaque.isEmpty {
            text += opaque
        } else {
            let showsAuthority = !scheme.isEmpty || !host.isEmpty || !userInformation.isEmpty
            if showsAuthority, !(omitsAuthority && host.isEmpty && userInformation.isEmpty),
                !host.isEmpty || !path.isEmpty || !userInformation.isEmpty
            {
                text += "//"
                if !userInformation.isEmpty { text += userInformation + "@" }
                text += host
            }
            text += path
        }
        if let query { text += "?" + query }
        if let fragment { text += "#" + fragment }
        return text
    }
}
