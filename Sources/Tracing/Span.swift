// A span: who did what for a call, from when to when.

package import Base

package struct SpanAttribute: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case text(String)
        case integer(Int64)
        case flag(Bool)
    }

    /// Longer texts are cut: keys may have megabytes, and a collector takes a few of them for all spans of a message.
    package static let textBytesMax = 16 << 10

    package let key: String
    package let value: Value

    package init(_ key: String, _ text: String) {
        self.key = key
        value = .text(
            text.utf8.count <= Self.textBytesMax
                ? text : String(decoding: text.utf8.prefix(Self.textBytesMax), as: UTF8.self)
        )
    }

    /// Bytes that a client means as text; what is none is replaced.
    package init(_ key: String, _ bytes: Bytes) {
        self.key = key
        value = .text(bytes.prefix(Self.textBytesMax).withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
    }

    package init(_ key: String, _ integer: Int64) {
        self.key = key
        value = .integer(integer)
    }

    package init(_ key: String, _ flag: Bool) {
        self.key = key
        value = .flag(flag)
    }

    var bytes: Int {
        if case .text(let text) = value { key.utf8.count + text.utf8.count } else { key.utf8.count }
    }
}

package struct Span: Sendable, Equatable {
    package enum Kind: UInt64, Sendable {
        case inside = 1
        case server = 2
    }

    /// Whose conventions a span follows, under the names by which etcd's collectors know them.
    package enum Scope: Sendable, CaseIterable {
        /// The calls themselves.
        case calls
        /// What the member does for them.
        case member

        var name: String {
            switch self {
            case .calls: "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
            case .member: "go.etcd.io/etcd"
            }
        }

        /// Of the conventions; etcd 3.7.1 has these.
        var version: String {
            switch self {
            case .calls: "0.68.0"
            case .member: ""
            }
        }
    }

    /// An error on the way.
    package struct Event: Sendable, Equatable {
        package let unixNanoseconds: UInt64
        package let message: String
    }

    package var context: TraceContext
    /// Zero where the trace begins here.
    package var parentID: UInt64
    package var isParentRemote: Bool
    package var name: String
    package var kind: Kind
    package var scope: Scope
    package var begunUnixNanoseconds: UInt64 = 0
    package var endedUnixNanoseconds: UInt64 = 0
    package var attributes: [SpanAttribute]
    package var errors: [Event] = []
    /// Why the span counts as failed; nil if it does not.
    package var failure: String?

    /// About as many bytes as it takes in a message.
    var bytes: Int {
        let fixed = 128
        return fixed + name.utf8.count + context.state.utf8.count + (failure?.utf8.count ?? 0)
            + attributes.reduce(0) { $0 + $1.bytes + 8 } + errors.reduce(0) { $0 + $1.message.utf8.count + 64 }
    }
}
