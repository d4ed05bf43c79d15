// One client's connection of HTTP/2: paths become calls, each served by a task; other requests are pages.

import Base
import EtcdWire
import HTTP2
import NIOCore

/// Confined to the connection's event loop, as its handler is.
final class ProxyConnection: HTTP2ServerApplication {
    private let services: ProxyServices
    private let pages: ProxyPages
    private let loop: any EventLoop

    init(_ services: ProxyServices, _ pages: ProxyPages, _ loop: any EventLoop) {
        self.services = services
        self.pages = pages
        self.loop = loop
    }

    func started(_ stream: ServerStream) {
        guard let rpc = RPC(path: stream.head.path), rpc != .reflectionV1, rpc != .reflectionV1Alpha else {
            return refuse(stream)
        }
        let call = ProxyCall(rpc, stream, loop)
        stream.context = call
        let services = services
        call.begin { await services.serve($0) }
    }

    private func refuse(_ stream: ServerStream) {
        let path = stream.head.path.dropFirst()
        guard let slash = path.lastIndex(of: "/") else {
            return stream.finish(status: 12, message: "malformed method name: \"\(stream.head.path)\"")
        }
        let (service, method) = (path[..<slash], path[path.index(after: slash)...])
        let isKnown = RPC.allCases.contains {
            $0.definition.service == service && !service.hasPrefix("grpc.reflection")
        }
        stream.finish(
            status: 12,
            message: isKnown ? "unknown method \(method) for service \(service)" : "unknown service \(service)"
        )
    }

    func received(_ stream: ServerStream, message: UnsafeRawBufferPointer) {
        (stream.context as? ProxyCall)?.received(Bytes(copying: message))
    }

    func clientFinished(_ stream: ServerStream) { (stream.context as? ProxyCall)?.clientFinished() }

    func ended(_ stream: ServerStream, _ end: StreamEnd) {
        let call = stream.context as? ProxyCall
        (stream.context as? PageRequest)?.task.cancel()
        stream.context = nil
        call?.ended()
    }

    func httpRequest(_ stream: ServerStream, body: Bytes) {
        let (method, path) = (stream.head.method, stream.head.path)
        let bound = NIOLoopBound(stream, eventLoop: loop)
        let (pages, loop) = (pages, loop)
        let task = Task {
            guard let page = await pages.answer(method: method, path: path, body: body) else { return }
            loop.execute {
                bound.value.respond(status: page.status, headers: page.fields, body: Bytes(page.body))
            }
        }
        stream.context = PageRequest(task)
    }

    /// Of a client that may go away.
    private final class PageRequest {
        let task: Task<Void, Never>

        init(_ task: Task<Void, Never>) { self.task = task }
    }

    func burstBegins() {}
    func burstEnded() {}
    func connectionClosed() {}
}
