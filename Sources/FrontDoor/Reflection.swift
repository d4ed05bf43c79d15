// gRPC server reflection, so that grpcurl and its like need no .proto files. Versions v1 and v1alpha are the same on the
// wire.

import Base
import EtcdWire
import Wire

enum Reflection {
    static func answer(_ request: Bytes, to call: GRPCCall) {
        do throws(WireError) {
            call.send(try response(request))
        } catch {
            call.finish(EtcdError(code: .invalidArgument, message: "malformed reflection request"))
        }
    }

    private static func response(_ request: Bytes) throws(WireError) -> Bytes {
        var host = Bytes()
        var answer: (field: Int, body: Bytes)?
        var reader = WireReader(request)
        while let field = try reader.next() {
            switch field.number {
            case 1: host = try reader.bytes(field)
            case 3:
                let name = try reader.string(field)
                answer = files(ServerDescriptors.shared.file(named: name), missing: name)
            case 4:
                let symbol = try reader.string(field)
                answer = files(ServerDescriptors.shared.file(containing: symbol), missing: symbol)
            case 5:
                _ = try reader.bytes(field)
                answer = failure("extensions are not listed")
            case 6:
                _ = try reader.bytes(field)
                answer = failure("extensions are not listed")
            case 7:
                _ = try reader.bytes(field)
                answer = (6, services)
            default: try reader.skip(field)
            }
        }
        var writer = WireWriter()
        writer.field(1, host)
        writer.explicit(2, request)
        let (number, body) = answer ?? failure("invalid MessageRequest")
        writer.explicit(number, body)
        return writer.bytes
    }

    private static func files(_ found: [Bytes]?, missing name: String) -> (Int, Bytes) {
        guard let found else { return failure("not found: \(name)") }
        var writer = WireWriter()
        for file in found { writer.explicit(1, file) }
        return (4, writer.bytes)
    }

    private static func failure(_ message: String) -> (Int, Bytes) {
        var writer = WireWriter()
        writer.field(1, UInt64(5))
        writer.field(2, message)
        return (7, writer.bytes)
    }

    private static var services: Bytes {
        var writer = WireWriter()
        for name in Set(RPC.allCases.map(\.definition.service)).sorted() {
            var service = WireWriter()
            service.field(1, name)
            writer.explicit(1, service.bytes)
        }
        return writer.bytes
    }
}
