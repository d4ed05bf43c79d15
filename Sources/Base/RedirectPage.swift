// The page that Go's HTTP library shows with a redirection.

/// - Parameter location: where the client is sent; put into HTML as HTML wants it.
package func temporaryRedirectPage(to location: String) -> Bytes {
    let escaped = location.reduce(into: "") { output, character in
        switch character {
        case "&": output += "&amp;"
        case "<": output += "&lt;"
        case ">": output += "&gt;"
        case "\"": output += "&#34;"
        case "'": output += "&#39;"
        default: output.append(character)
        }
    }
    return Bytes("<a href=\"\(escaped)\">Temporary Redirect</a>.\n\n")
}
