// auth, user and role.

import CommandLineKit
import EtcdClient
import EtcdWire
import FoundationEssentials
import SwiftProtobuf

enum AuthCommands {
    static let all: [Command] = [auth, user, role]

    private static func arguments(_ call: Invocation, _ counts: ClosedRange<Int>, _ message: String) throws(CommandExit)
    {
        guard counts.contains(call.arguments.count) else { throw badArguments(message) }
    }

    private static func ask<Request, Response>(
        _ call: Invocation,
        _ method: RPCMethod<Request, Response>,
        _ request: Request
    ) async throws -> (Context, Response) {
        let context = try await connect(call)
        let answer = try await Context.or { () async throws(ClientError) in
            try await context.client.call(method, request)
        }
        return (context, answer)
    }

    private static func headed(
        _ context: Context,
        _ message: some SwiftProtobuf.Message,
        _ header: Etcdserverpb_ResponseHeader,
        _ text: String
    ) throws {
        context.emit(try context.printer.bytes(message, simple: text, fields: { context.printer.header(header) }))
    }

    // MARK: auth

    static let auth: Command = {
        var command = Command(
            "auth",
            "<enable or disable or status>",
            "Switches authentication on and off",
            long: """
                Switches authentication on and off. Before it can be on there must be a user root; the role root is made and granted if
                it is missing.
                """,
            group: "authentication"
        )
        command.commands = [
            Command(
                "enable",
                "",
                "Switches authentication on",
                example: """
                      etcdctl user add root --new-user-password secret
                      etcdctl auth enable
                    """
            ) { call in
                try arguments(call, 0...0, "auth enable command does not accept any arguments")
                let context = try await connect(call)
                var answer: Etcdserverpb_AuthEnableResponse?
                while answer == nil {
                    do {
                        answer = try await context.client.call(.authEnable, Etcdserverpb_AuthEnableRequest())
                    } catch  where (error as? ClientError)?.message == "etcdserver: root user does not have root role" {
                        try await Context.or { () async throws(ClientError) in
                            _ = try? await context.client.call(.roleAdd, .with { $0.name = "root" })
                            _ = try await context.client.call(
                                .userGrantRole,
                                .with {
                                    $0.user = "root"
                                    $0.role = "root"
                                }
                            )
                        }
                    } catch let error as ClientError { throw failed(error) }
                }
                Terminal.out("Authentication Enabled\n")
            },
            Command("disable", "", "Switches authentication off", example: "  etcdctl --user root:secret auth disable")
            { call in
                try arguments(call, 0...0, "auth disable command does not accept any arguments")
                _ = try await ask(call, .authDisable, Etcdserverpb_AuthDisableRequest())
                Terminal.out("Authentication Disabled\n")
            },
            Command("status", "", "Tells whether authentication is on", example: "  etcdctl auth status") { call in
                try arguments(call, 0...0, "auth status command does not accept any arguments")
                let (context, answer) = try await ask(call, .authStatus, Etcdserverpb_AuthStatusRequest())
                context.emit(
                    try context.printer.bytes(
                        answer,
                        simple: "Authentication Status: \(answer.enabled)\nAuthRevision: \(answer.authRevision)\n"
                    )
                )
            },
        ]
        return command
    }()

    // MARK: user

    /// A new password, asked twice or read from input.
    private static func newPassword(_ name: String, interactive: Bool) throws -> String {
        guard interactive else {
            // The first word counts; without one the password is empty, and the member judges it.
            return Terminal.readLine()?.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        }
        let first = Terminal.readSecret("Password of \(name): ")
        guard !first.isEmpty else { throw badArguments("empty password") }
        guard first == Terminal.readSecret("Type password of \(name) again for confirmation: ") else {
            throw badArguments("given passwords are different")
        }
        return first
    }

    static let user: Command = {
        var command = Command("user", "<subcommand>", "Adds, changes, lists and deletes users", group: "authentication")
        let interactive = Flag(
            "interactive",
            nil,
            .bool,
            "true",
            "ask for the password; if false, take a line of standard input"
        )
        command.commands = [
            Command(
                "add",
                "<user name or user:password> [options]",
                "Adds a user",
                example: """
                      etcdctl user add alice --new-user-password secret
                      echo secret | etcdctl user add bob --interactive=false
                      etcdctl user add service --no-password
                    """,
                flags: [
                    interactive, Flag("new-user-password", nil, .string, "", "the password"),
                    Flag("no-password", nil, .bool, "", "a user who is known by a certificate's common name only"),
                ]
            ) { call in
                try arguments(call, 1...1, "user add command requires user name as its argument")
                var request = Etcdserverpb_AuthUserAddRequest()
                request.name = call.arguments[0]
                if call.bool("no-password") {
                    request.options = .with { $0.noPassword = true }
                } else if !call.string("new-user-password").isEmpty {
                    request.password = call.string("new-user-password")
                } else if let colon = request.name.firstIndex(of: ":") {
                    request.password = String(request.name[request.name.index(after: colon)...])
                    request.name = String(request.name[..<colon])
                    if request.name.isEmpty { throw badArguments("empty user name is not allowed") }
                } else {
                    request.password = try newPassword(request.name, interactive: call.bool("interactive"))
                }
                let (context, answer) = try await ask(call, .userAdd, request)
                try headed(context, answer, answer.header, "User \(request.name) created\n")
            },
            Command("delete", "<user name>", "Deletes a user", example: "  etcdctl user delete alice") { call in
                try arguments(call, 1...1, "user delete command requires user name as its argument")
                let (context, answer) = try await ask(call, .userDelete, .with { $0.name = call.arguments[0] })
                try headed(context, answer, answer.header, "User \(call.arguments[0]) deleted\n")
            },
            Command(
                "get",
                "<user name> [options]",
                "Tells a user's roles",
                example: "  etcdctl user get alice --detail",
                flags: [Flag("detail", nil, .bool, "", "and what each role may do")]
            ) { call in
                try arguments(call, 1...1, "user get command requires user name as its argument")
                let name = call.arguments[0]
                let (context, answer) = try await ask(call, .userGet, .with { $0.name = name })
                if call.bool("detail") {
                    Terminal.out("User: \(name)\n")
                    for role in answer.roles {
                        let detail = try await Context.or { () async throws(ClientError) in
                            try await context.client.call(.roleGet, .with { $0.role = role })
                        }
                        Terminal.out("\n")
                        context.emit(try rolePrinted(context.printer, role, detail))
                    }
                    return
                }
                context.emit(
                    try context.printer.bytes(
                        answer,
                        simple: "User: \(name)\nRoles:" + answer.roles.map { " \($0)" }.joined() + "\n"
                    )
                )
            },
            Command(
                "grant-role",
                "<user name> <role name>",
                "Gives a user a role",
                example: "  etcdctl user grant-role alice reader"
            ) { call in
                try arguments(call, 2...2, "user grant command requires user name and role name as its argument")
                let (context, answer) = try await ask(
                    call,
                    .userGrantRole,
                    .with {
                        $0.user = call.arguments[0]
                        $0.role = call.arguments[1]
                    }
                )
                try headed(
                    context,
                    answer,
                    answer.header,
                    "Role \(call.arguments[1]) is granted to user \(call.arguments[0])\n"
                )
            },
            Command("list", "", "Lists the users", example: "  etcdctl user list") { call in
                try arguments(call, 0...0, "user list command requires no arguments")
                let (context, answer) = try await ask(call, .userList, Etcdserverpb_AuthUserListRequest())
                context.emit(try context.printer.bytes(answer, simple: answer.users.map { $0 + "\n" }.joined()))
            },
            Command(
                "passwd",
                "<user name> [options]",
                "Changes a user's password",
                example: "  echo better | etcdctl user passwd alice --interactive=false",
                flags: [interactive]
            ) { call in
                try arguments(call, 1...1, "user passwd command requires user name as its argument")
                let password = try newPassword(call.arguments[0], interactive: call.bool("interactive"))
                let (context, answer) = try await ask(
                    call,
                    .userChangePassword,
                    .with {
                        $0.name = call.arguments[0]
                        $0.password = password
                    }
                )
                try headed(context, answer, answer.header, "Password updated\n")
            },
            Command(
                "revoke-role",
                "<user name> <role name>",
                "Takes a role from a user",
                example: "  etcdctl user revoke-role alice reader"
            ) { call in
                try arguments(call, 2...2, "user revoke-role requires user name and role name as its argument")
                let (context, answer) = try await ask(
                    call,
                    .userRevokeRole,
                    .with {
                        $0.name = call.arguments[0]
                        $0.role = call.arguments[1]
                    }
                )
                try headed(
                    context,
                    answer,
                    answer.header,
                    "Role \(call.arguments[1]) is revoked from user \(call.arguments[0])\n"
                )
            },
        ]
        return command
    }()

    // MARK: role

    static func rolePrinted(_ printer: Printer, _ role: String, _ answer: Etcdserverpb_AuthRoleGetResponse) throws
        -> [UInt8]
    {
        func entry(_ permission: Authpb_Permission) -> String {
            let key = String(rawBytes: permission.key), end = String(rawBytes: permission.rangeEnd)
            if end.isEmpty { return "\t\(key)\n" }
            let range = end == "\0" ? "\t[\(key), <open ended>" : "\t[\(key), \(end))"
            let isPrefix = !key.isEmpty && prefixEnd(Array(permission.key)) == Array(permission.rangeEnd)
            return range + (isPrefix ? " (prefix \(key))" : "") + "\n"
        }
        var text = "Role \(role)\nKV Read:\n"
        if role == "root", answer.perm.isEmpty {
            text += "\t[, <open ended>\nKV Write:\n\t[, <open ended>\n"
        } else {
            text +=
                answer.perm.filter { $0.permType != .write }.map(entry).joined() + "KV Write:\n"
                + answer.perm.filter { $0.permType != .read }.map(entry).joined()
        }
        return try printer.bytes(
            answer,
            simple: text,
            fields: {
                printer.header(answer.header)
                    + answer.perm.map {
                        "\"PermType\" :  \($0.permType == .read ? "READ" : $0.permType == .write ? "WRITE" : "READWRITE")\n"
                            + "\"Key\" : \($0.key.quoted)\n\"RangeEnd\" : \($0.rangeEnd.quoted)\n"
                    }.joined()
            }
        )
    }

    /// The range that two words and the flags name.
    static func range(_ words: ArraySlice<String>, _ call: Invocation) throws(CommandExit) -> (Data, Data) {
        var key = Data(word: words.first ?? ""), end = Data()
        if key.isEmpty {
            if call.bool("prefix"), call.bool("from-key") {
                throw badArguments("--from-key and --prefix flags are mutually exclusive")
            }
            return (KeyRequests.toEnd, call.bool("prefix") || call.bool("from-key") ? KeyRequests.toEnd : Data())
        }
        if words.count == 1, call.bool("prefix"), call.bool("from-key") {
            throw badArguments("--from-key and --prefix flags are mutually exclusive")
        }
        if words.count > 1 {
            if call.bool("prefix") || call.bool("from-key") {
                throw badArguments(
                    "unexpected endkey argument with --\(call.bool("prefix") ? "prefix" : "from-key") flag"
                )
            }
            end = Data(word: words[words.startIndex + 1])
        }
        if call.bool("prefix") { KeyRequests.setPrefix(&key, &end) }
        if call.bool("from-key") { KeyRequests.setFromKey(&key, &end) }
        return (key, end)
    }

    static let role: Command = {
        var command = Command("role", "<subcommand>", "Adds, changes, lists and deletes roles", group: "authentication")
        let rangeFlags = { (verb: String) in
            [
                Flag("prefix", nil, .bool, "", "\(verb) all keys that begin with the given one"),
                Flag("from-key", nil, .bool, "", "\(verb) all keys from the given one on"),
            ]
        }
        command.commands = [
            Command("add", "<role name>", "Adds a role", example: "  etcdctl role add reader") { call in
                try arguments(call, 1...1, "role add command requires role name as its argument")
                let (context, answer) = try await ask(call, .roleAdd, .with { $0.name = call.arguments[0] })
                try headed(context, answer, answer.header, "Role \(call.arguments[0]) created\n")
            },
            Command("delete", "<role name>", "Deletes a role", example: "  etcdctl role delete reader") { call in
                try arguments(call, 1...1, "role delete command requires role name as its argument")
                let (context, answer) = try await ask(call, .roleDelete, .with { $0.role = call.arguments[0] })
                try headed(context, answer, answer.header, "Role \(call.arguments[0]) deleted\n")
            },
            Command("get", "<role name>", "Tells what a role may do", example: "  etcdctl role get reader") { call in
                try arguments(call, 1...1, "role get command requires role name as its argument")
                let (context, answer) = try await ask(call, .roleGet, .with { $0.role = call.arguments[0] })
                context.emit(try rolePrinted(context.printer, call.arguments[0], answer))
            },
            Command(
                "grant-permission",
                "[options] <role name> <permission type> <key> [endkey]",
                "Lets a role read or write keys",
                long: "The permission type is read, write or readwrite.",
                example: """
                      etcdctl role grant-permission reader read --prefix /config/
                      etcdctl role grant-permission writer readwrite a c
                    """,
                flags: rangeFlags("grant")
            ) { call in
                try arguments(
                    call,
                    3...Int.max,
                    "role grant command requires role name, permission type, and key [endkey] as its argument"
                )
                var permission = Authpb_Permission()
                switch call.arguments[1].lowercased() {
                case "read": permission.permType = .read
                case "write": permission.permType = .write
                case "readwrite": permission.permType = .readwrite
                default: throw badArguments("invalid permission type: \(call.arguments[1])")
                }
                (permission.key, permission.rangeEnd) = try range(call.arguments[2...], call)
                let granted = permission
                let (context, answer) = try await ask(
                    call,
                    .roleGrantPermission,
                    .with {
                        $0.name = call.arguments[0]
                        $0.perm = granted
                    }
                )
                try headed(context, answer, answer.header, "Role \(call.arguments[0]) updated\n")
            },
            Command("list", "", "Lists the roles", example: "  etcdctl role list") { call in
                try arguments(call, 0...0, "role list command requires no arguments")
                let (context, answer) = try await ask(call, .roleList, Etcdserverpb_AuthRoleListRequest())
                context.emit(
                    try context.printer.bytes(
                        answer,
                        simple: answer.roles.map { $0 + "\n" }.joined(),
                        fields: {
                            context.printer.header(answer.header) + "\"Roles\" :"
                                + answer.roles.map { " \($0.quoted)" }.joined() + "\n"
                        }
                    )
                )
            },
            Command(
                "revoke-permission",
                "<role name> <key> [endkey]",
                "Takes a permission from a role",
                example: "  etcdctl role revoke-permission reader --prefix /config/",
                flags: rangeFlags("revoke")
            ) { call in
                try arguments(
                    call,
                    2...Int.max,
                    "role revoke-permission command requires role name and key [endkey] as its argument"
                )
                let (key, end) = try range(call.arguments[1...], call)
                let (context, answer) = try await ask(
                    call,
                    .roleRevokePermission,
                    .with {
                        $0.role = call.arguments[0]
                        $0.key = key
                        $0.rangeEnd = end
                    }
                )
                let shown = call.arguments[1], last = String(rawBytes: end)
                let what =
                    last.isEmpty
                    ? "key \(shown)" : last == "\0" ? "range [\(shown), <open ended>" : "range [\(shown), \(last))"
                try headed(
                    context,
                    answer,
                    answer.header,
                    "Permission of \(what) is revoked from role \(call.arguments[0])\n"
                )
            },
        ]
        return command
    }()
}
