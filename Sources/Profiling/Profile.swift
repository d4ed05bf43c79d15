// A profile as the tools of pprof read it: stacks with numbers, in protobuf, packed with gzip.
//
// The format: https://github.com/google/pprof/blob/main/proto/profile.proto

import Base
import Wire

/// What a number of a sample means.
struct ValueType: Hashable, Sendable {
    var type: String
    var unit: String

    init(_ type: String, _ unit: String) {
        self.type = type
        self.unit = unit
    }
}

/// One step of a stack.
enum Frame: Hashable, Sendable {
    /// Where code ran, or what it had called.
    case address(UInt64)
    /// What has no address but a name.
    case name(String)
}

/// A piece of a file that is mapped for running.
struct Mapping: Hashable, Sendable {
    var start: UInt64
    var limit: UInt64
    var offset: UInt64
    var file: String
    /// In hexadecimal; empty if the file has none.
    var buildID = ""

    func contains(_ address: UInt64) -> Bool { start <= address && address < limit }
}

struct Profile: Sendable {
    struct Label: Hashable, Sendable {
        var key: String
        var text: String
    }

    /// What tells one sample from another.
    struct Place: Hashable, Sendable {
        /// The innermost first.
        var stack: [Frame]
        var labels: [Label] = []
    }

    var sampleTypes: [ValueType]
    var periodType: ValueType
    var period: Int64 = 1
    /// Which of the types is shown first; nil for the last.
    var defaultType: String?
    /// Since 1970.
    var nanoseconds: Int64 = 0
    var durationNanoseconds: Int64 = 0
    var samples: [(place: Place, values: [Int64])] = []
    /// Ordered by address.
    var mappings: [Mapping] = []
    /// Names of addresses, as far as they are known.
    var names: [UInt64: String] = [:]
    var comments: [String] = []

    /// How this differs from an earlier one of the same kind.
    func since(_ earlier: Profile) -> Profile {
        var values: [Place: [Int64]] = [:]
        for sample in samples { values[sample.place] = sample.values }
        for sample in earlier.samples {
            let later = values[sample.place] ?? sample.values.map { _ in 0 }
            values[sample.place] = zip(later, sample.values).map { $0 &- $1 }
        }
        var difference = self
        difference.samples = values.filter { $0.value.contains { $0 != 0 } }.map { ($0.key, $0.value) }
        difference.durationNanoseconds = nanoseconds &- earlier.nanoseconds
        // As Go's has none.
        difference.defaultType = nil
        return difference
    }
}

// MARK: Protobuf

extension Profile {
    /// The message, not packed.
    var encoded: [UInt8] {
        var encoder = ProfileEncoder(mappings)
        return encoder.encode(self)
    }
}

/// Gives strings, functions and places their numbers as they come up.
private struct ProfileEncoder {
    private let mappings: [Mapping]
    private var strings: [String: Int] = ["": 0]
    private var stringList = [""]
    private var functions: [String: Int] = [:]
    private var locations: [Frame: Int] = [:]
    /// The tables, as fields of the profile.
    private var tables = WireWriter()
    /// By mapping: whether places in it have names. Tools would look for others, and forget these.
    private var areNamed: [Bool]

    init(_ mappings: [Mapping]) {
        self.mappings = mappings
        areNamed = mappings.map { _ in false }
    }

    mutating func encode(_ profile: Profile) -> [UInt8] {
        var output = WireWriter()
        for type in profile.sampleTypes { output.explicit(1, message(of: type)) }
        for sample in profile.samples {
            var message = WireWriter()
            message.explicit(1, packed(sample.place.stack.map { UInt64(location($0, profile.names)) }))
            message.explicit(2, packed(sample.values.map { UInt64(bitPattern: $0) }))
            for label in sample.place.labels {
                var part = WireWriter()
                part.field(1, Int64(string(label.key)))
                part.field(2, Int64(string(label.text)))
                message.explicit(3, part.bytes)
            }
            output.explicit(2, message.bytes)
        }
        for (index, mapping) in mappings.enumerated() {
            var message = WireWriter()
            message.field(1, UInt64(index + 1))
            message.field(2, mapping.start)
            message.field(3, mapping.limit)
            message.field(4, mapping.offset)
            message.field(5, Int64(string(mapping.file)))
            message.field(6, Int64(string(mapping.buildID)))
            message.field(7, areNamed[index])
            output.explicit(3, message.bytes)
        }
        output.append(tables.bytes)
        let periodType = message(of: profile.periodType)
        let comments = profile.comments.map { UInt64(string($0)) }
        let defaultType = profile.defaultType.map { string($0) } ?? 0
        for text in stringList { output.explicit(6, text) }
        output.field(9, profile.nanoseconds)
        output.field(10, profile.durationNanoseconds)
        output.explicit(11, periodType)
        output.field(12, profile.period)
        if !comments.isEmpty { output.explicit(13, packed(comments)) }
        output.field(14, Int64(defaultType))
        return output.array
    }

    private mutating func message(of type: ValueType) -> Bytes {
        var message = WireWriter()
        message.field(1, Int64(string(type.type)))
        message.field(2, Int64(string(type.unit)))
        return message.bytes
    }

    private func packed(_ values: [UInt64]) -> Bytes {
        var message = WireWriter()
        for value in values { message.varint(value) }
        return message.bytes
    }

    private mutating func string(_ text: String) -> Int {
        if let known = strings[text] { return known }
        strings[text] = stringList.count
        stringList.append(text)
        return stringList.count - 1
    }

    private mutating func function(_ name: String) -> Int {
        if let known = functions[name] { return known }
        let number = functions.count + 1
        functions[name] = number
        let text = string(name)
        var message = WireWriter()
        message.field(1, UInt64(number))
        message.field(2, Int64(text))
        message.field(3, Int64(text))
        tables.explicit(5, message.bytes)
        return number
    }

    private mutating func location(_ frame: Frame, _ names: [UInt64: String]) -> Int {
        if let known = locations[frame] { return known }
        let number = locations.count + 1
        locations[frame] = number
        var message = WireWriter()
        message.field(1, UInt64(number))
        let name: String?
        switch frame {
        case .name(let text): name = text
        case .address(let address):
            name = names[address]
            if let index = mappings.firstIndex(where: { $0.contains(address) }) {
                message.field(2, UInt64(index + 1))
                if name != nil { areNamed[index] = true }
            }
            message.field(3, address)
        }
        if let name {
            var line = WireWriter()
            line.field(1, UInt64(function(name)))
            message.explicit(4, line.bytes)
        }
        tables.explicit(4, message.bytes)
        return number
    }
}
