// `etcd gateway` and `etcd grpc-proxy`: the proxies in front of a cluster, with their flags, from the command line to a
// port that serves. The gateway passes bytes on; the gRPC proxy understands them and spares the members what it can.

import CommandLineKit
import Dispatch
import FoundationEssentials

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The part of the program `etcd` that is no member.
package enum ProxyProgram {
    private static let root: Command = {
        var root = Command("etcd", "", "etcd server")
        root.commands = [
            Command("gateway", "<subcommand>", "gateway related command", commands: [GatewayCommand.start]),
            Command("grpc-proxy", "<subcommand>", "grpc-proxy related command", commands: [GRPCProxyCommand.start]),
        ]
        return root
    }()

    /// Whether a command line is for this part: its first word after the program's name decides.
    package static func isMeant(by arguments: [String]) -> Bool {
        arguments.count > 1 && root.commands.contains { $0.name == arguments[1] }
    }

    /// Runs to the end of the process.
    /// - Parameter arguments: of the process, its name included.
    package static func main(_ arguments: [String]) -> Never {
        Task { exit(await run(Array(arguments.dropFirst()))) }
        dispatchMain()
    }

    private static func run(_ words: [String]) async -> Int32 {
        switch Parser.parse(root, words) {
        case .help(let path):
            Terminal.out(Help.text(path))
            return 0
        case .failure(let message, let path):
            Terminal.error("Error: \(message)\n")
            if let path { Terminal.error(Help.usage(path) + "\n") }
            // Once more, as etcd does.
            Terminal.error(message)
            return 1
        case .run(let invocation):
            do {
                try await invocation.command.run?(invocation)
                return 0
            } catch let exit as CommandExit {
                if let message = exit.message { Terminal.error(message + "\n") }
                return exit.code
            } catch {
                Terminal.error("\(error)\n")
                return 1
            }
        }
    }
}

/// `host:port`, as listeners and endpoints are written.
struct HostAndPort: Equatable {
    let host: String
    let port: Int

    /// Nil where there is no port, or none that is a number.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        self.host = String(host)
        self.port = Int(port)
    }

    /// The address to listen on: no host means all.
    var listeningHost: String { host.isEmpty ? "0.0.0.0" : host }

    /// An endpoint without its scheme; etcd's client port where it names none.
    init?(endpoint text: String) {
        var rest = text[...]
        if let scheme = text.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
        rest = rest.prefix { $0 != "/" }
        let hasPort =
            rest.lastIndex(of: ":").map { UInt16(rest[rest.index(after: $0)...]) != nil && !rest.hasSuffix("]") }
            ?? false
        self.init(hasPort ? String(rest) : rest + ":2379")
    }
}
