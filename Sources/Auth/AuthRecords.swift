// Users, roles and permissions, and their rows in the backend (`authpb`).

package import Base
package import Wire

/// What a permission allows.
package enum PermissionKind: Int, Sendable {
    case read = 0
    case write = 1
    case readWrite = 2

    package var allowsRead: Bool { self != .write }
    package var allowsWrite: Bool { self != .read }
}

/// A kind of access to a key or a range of keys.
package struct Permission: Sendable, Equatable {
    package var kind: PermissionKind
    package var range: KeyRange

    package init(kind: PermissionKind, range: KeyRange) {
        self.kind = kind
        self.range = range
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init(kind: .read, range: KeyRange(key: Bytes()))
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = PermissionKind(rawValue: try reader.enumeration(field)) ?? .read
            case 2: range.key = try reader.bytes(field).compacted()
            case 3: range.end = try reader.bytes(field).compacted()
            default: try reader.skip(field)
            }
        }
    }

    package var encoded: Bytes {
        var writer = WireWriter()
        writer.field(1, UInt64(kind.rawValue))
        writer.field(2, range.key)
        writer.field(3, range.end)
        return writer.bytes
    }
}

package struct User: Sendable, Equatable {
    package var name: Bytes
    /// The bcrypt hash; empty for users without a password.
    package var password: Bytes
    /// Sorted.
    package var roles: [String]
    /// Nil in rows of versions before 3.4.
    package var hasNoPassword: Bool?

    package init(name: Bytes, password: Bytes = Bytes(), roles: [String] = [], hasNoPassword: Bool? = nil) {
        self.name = name
        self.password = password
        self.roles = roles
        self.hasNoPassword = hasNoPassword
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init(name: Bytes())
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try reader.bytes(field).compacted()
            case 2: password = try reader.bytes(field).compacted()
            case 3: roles.append(try reader.string(field))
            case 4: hasNoPassword = try Self.decodeOptions(try reader.bytes(field))
            default: try reader.skip(field)
            }
        }
    }

    private static func decodeOptions(_ bytes: Bytes) throws(WireError) -> Bool {
        var noPassword = false
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            if field.number == 1 { noPassword = try reader.bool(field) } else { try reader.skip(field) }
        }
        return noPassword
    }

    package var encoded: Bytes {
        var writer = WireWriter()
        writer.field(1, name)
        writer.field(2, password)
        for role in roles { writer.explicit(3, role) }
        if let hasNoPassword {
            var options = WireWriter()
            options.field(1, hasNoPassword)
            writer.explicit(4, options.bytes)
        }
        return writer.bytes
    }
}

package struct Role: Sendable, Equatable {
    package var name: Bytes
    /// Sorted by key.
    package var permissions: [Permission]

    package init(name: Bytes, permissions: [Permission] = []) {
        self.name = name
        self.permissions = permissions
    }

    package init(decoding bytes: Bytes) throws(WireError) {
        self.init(name: Bytes())
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try reader.bytes(field).compacted()
            case 2: permissions.append(try Permission(decoding: try reader.bytes(field)))
            default: try reader.skip(field)
            }
        }
    }

    package var encoded: Bytes {
        var writer = WireWriter()
        writer.field(1, name)
        for permission in permissions { writer.explicit(2, permission.encoded) }
        return writer.bytes
    }
}
