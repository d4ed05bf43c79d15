// `etcd grpc-proxy start`: from its flags to a port that serves.

import CommandLineKit
import EtcdClient
import FoundationEssentials
import HTTP2
import NIOCore
import Profiling
import ServerLog
import TransportSecurity

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

enum GRPCProxyCommand {
    static let start = Command("start", "", "start the grpc proxy", flags: GRPCProxyFlags.all, run: run)

    /// A request that the proxy takes from a client; Go's library takes so much unless told otherwise.
    private static let requestBytesMax = 4 << 20

    private static func run(_ call: Invocation) async throws {
        try check(call)
        let logger = ServerLogger.standard()
        if call.bool("debug") { logger.level = .debug }
        warnOfUnsupported(call, logger)
        let clientTLS = try listeningTLS(call, logger)
        guard let listen = HostAndPort(call.string("listen-addr")) else {
            throw CommandExit(1, "listen tcp: address \(call.string("listen-addr")): missing port in address")
        }
        let (client, memberTLS) = try await makeClient(call, logger)
        var settings = GRPCProxyServer.Settings(http2: http2(call))
        settings.namespace = call.string("namespace")
        settings.leasingPrefix = call.string("experimental-leasing-prefix")
        settings.isOrdered = call.bool("experimental-serializable-ordering")
        settings.cluster.advertisedAddress = call.string("advertise-client-url")
        settings.cluster.prefix = call.string("resolver-prefix")
        settings.cluster.timeToLive = call.int("resolver-ttl")
        settings.cluster.hostName = hostName()
        settings.memberTLS = memberTLS
        settings.clientTLS = clientTLS
        settings.servesProfiles = call.bool("enable-pprof")
        let server = GRPCProxyServer(client, settings, logger)
        await server.waitForMembers()
        let channel = try await bound(call.string("listen-addr")) { try await server.listen(listen) }
        logger.info("listening for gRPC proxy client requests", [.string("address", call.string("listen-addr"))])
        server.register()
        if settings.servesProfiles { logger.info("gRPC proxy enabled pprof", [.string("path", ProfilePages.path)]) }
        try await listenForMetrics(server, call, logger)
        logger.info("started gRPC proxy", [.string("address", call.string("listen-addr"))])
        try await channel.closeFuture.get()
    }

    private static func bound(_ address: String, _ body: () async throws -> any Channel) async throws -> any Channel {
        do {
            return try await body()
        } catch let error as TLSError {
            throw CommandExit(1, error.description)
        } catch {
            throw CommandExit(1, "listen tcp \(address): bind: \(ListenFailure.reason(error))")
        }
    }

    private static func listenForMetrics(_ server: GRPCProxyServer, _ call: Invocation, _ logger: ServerLogger)
        async throws
    {
        let text = call.string("metrics-addr")
        if text.isEmpty { return }
        guard text.contains("://"), let address = HostAndPort(endpoint: text) else {
            throw CommandExit(1, "cannot parse \(text.quoted)")
        }
        _ = try await bound(text) { try await server.listenForMetrics(address, isSecure: text.hasPrefix("https")) }
        logger.info("gRPC proxy listening for metrics", [.string("address", text)])
        logger.info("gRPC proxy server metrics URL serving")
    }

    /// As the system calls itself, without asking a name service.
    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Flags

    private static func check(_ call: Invocation) throws {
        let (prefix, seconds) = (call.string("resolver-prefix"), call.int("resolver-ttl"))
        if !prefix.isEmpty, seconds < 1 { throw CommandExit(1, "invalid resolver-ttl \(seconds)") }
        if prefix.isEmpty, seconds > 0 { throw CommandExit(1, "invalid resolver-prefix \(prefix.quoted)") }
        let advertised = call.string("advertise-client-url")
        if !prefix.isEmpty, advertised.isEmpty {
            throw CommandExit(1, "invalid advertise-client-url \(advertised.quoted)")
        }
        if call.bool("auto-tls"), call.int("self-signed-cert-validity") == 0 {
            throw CommandExit(1, "selfSignedCertValidity is invalid,it should be greater than 0")
        }
        for name in ["tls-min-version", "tls-max-version"] where !["", "TLS1.2", "TLS1.3"].contains(call.string(name)) {
            throw CommandExit(1, "unexpected TLS version \(call.string(name).quoted), must be one of: TLS1.2, TLS1.3")
        }
        if call.string("tls-min-version") == "TLS1.3", call.string("tls-max-version") == "TLS1.2" {
            throw CommandExit(1, "min version (TLS1.3) is greater than max version (TLS1.2)")
        }
    }

    private static func warnOfUnsupported(_ call: Invocation, _ logger: ServerLogger) {
        for name in ["experimental-enable-grpc-logging", "permit-without-stream"] where call.bool(name) {
            logger.warn("the flag has no effect in this implementation", [.string("flag", "--\(name)")])
        }
    }

    private static func http2(_ call: Invocation) -> HTTP2ServerSettings {
        func positive(_ name: String, else other: TimeAmount) -> TimeAmount {
            let given = TimeAmount(call.duration(name))
            return given.nanoseconds > 0 ? given : other
        }
        return HTTP2ServerSettings(
            messageBytesMax: requestBytesMax,
            concurrentStreamsMax: UInt32(clamping: call.int("max-concurrent-streams")),
            pingIntervalMin: TimeAmount(call.duration("grpc-keepalive-min-time")),
            // As good as never.
            keepaliveInterval: positive("grpc-keepalive-interval", else: .hours(24 * 365)),
            keepaliveTimeout: positive("grpc-keepalive-timeout", else: .seconds(20))
        )
    }

    // MARK: TLS of the port for clients

    private static func listeningTLS(_ call: Invocation, _ logger: ServerLogger) throws -> TLSSettings? {
        let authority = call.string("trusted-ca-file")
        var (certificate, key) = (call.string("cert-file"), call.string("key-file"))
        if certificate.isEmpty, key.isEmpty, authority.isEmpty {
            guard call.bool("auto-tls") else { return nil }
            let made = try SelfSignedCertificate.files(
                in: call.string("data-dir") + "/fixtures/proxy",
                hosts: [call.string("listen-addr")],
                validYears: UInt64(clamping: call.int("self-signed-cert-validity"))
            )
            (certificate, key) = (made.certificate, made.key)
            if made.areNew {
                logger.info("created cert file", [.string("path", certificate)])
                logger.info("created key file", [.string("path", key)])
            }
        }
        if certificate.isEmpty || key.isEmpty {
            throw CommandExit(1, "KeyFile and CertFile must both be present[key: \(key), cert: \(certificate)]")
        }
        let settings = TLSSettings(
            certificateFile: certificate,
            keyFile: key,
            trustedCAFile: authority,
            revocationListFile: call.string("client-crl-file"),
            cipherSuites: call.list("listen-cipher-suites"),
            minimumVersionIs13: call.string("tls-min-version") == "TLS1.3",
            maximumVersionIs12: call.string("tls-max-version") == "TLS1.2"
        )
        logger.info(
            "gRPC proxy server TLS",
            [
                .string(
                    "tls-info",
                    "cert = \(certificate), key = \(key), trusted-ca = \(authority), crl-file = \(settings.revocationListFile)"
                )
            ]
        )
        return settings
    }

    // MARK: The client towards the members

    private static func makeClient(_ call: Invocation, _ logger: ServerLogger) async throws -> (
        Client, ClientTLSSettings?
    ) {
        let discovered = try await EndpointDiscovery(call, caFlag: "cacert", logger).endpoints().map(\.url)
        var configuration = ClientConfiguration(endpoints: discovered.isEmpty ? call.list("endpoints") : discovered)
        configuration.requestBytesMax = call.int("max-send-bytes") > 0 ? Int(call.int("max-send-bytes")) : .max
        configuration.responseBytesMax = call.int("max-recv-bytes") > 0 ? Int(call.int("max-recv-bytes")) : .max
        if call.duration("endpoints-auto-sync-interval") > .zero {
            configuration.autoSyncInterval = call.duration("endpoints-auto-sync-interval")
        }
        if call.duration("dial-keepalive-time") > .zero {
            configuration.keepaliveTime = call.duration("dial-keepalive-time")
            configuration.keepaliveTimeout = call.duration("dial-keepalive-timeout")
        }
        let (certificate, key, authority) = (call.string("cert"), call.string("key"), call.string("cacert"))
        let skips = call.bool("insecure-skip-tls-verify")
        var memberTLS: ClientTLSSettings?
        if skips || !(certificate + key + authority).isEmpty {
            if certificate.isEmpty != key.isEmpty {
                throw CommandExit(1, "KeyFile and CertFile must both be present[key: \(key), cert: \(certificate)]")
            }
            // A member would take the proxy's name for that of all who use it.
            if !certificate.isEmpty {
                do {
                    guard try CertificateFile.commonName(path: certificate).isEmpty else {
                        throw CommandExit(
                            1,
                            "cert has non empty Common Name (\(try CertificateFile.commonName(path: certificate)))"
                        )
                    }
                } catch let error as TLSError {
                    throw CommandExit(1, error.description)
                }
            }
            if skips {
                logger.warn(
                    "--insecure-skip-tls-verify was given, this grpc proxy process skips authentication of etcd server TLS certificates. This option should be enabled only for testing purposes."
                )
            }
            configuration.security = TransportSecurity(
                trustedAuthorityFile: authority.isEmpty ? nil : authority,
                certificateFile: certificate.isEmpty ? nil : certificate,
                keyFile: key.isEmpty ? nil : key,
                skipsVerification: skips
            )
            memberTLS = ClientTLSSettings(
                certificateFile: certificate,
                keyFile: key,
                trustedCAFile: authority,
                skipsVerification: skips
            )
            logger.info(
                "gRPC proxy client TLS",
                [
                    .string(
                        "tls-info",
                        "cert = \(certificate), key = \(key), trusted-ca = \(authority), insecure-skip-verify = \(skips)"
                    )
                ]
            )
        }
        do {
            return (try Client(configuration), memberTLS)
        } catch {
            throw CommandExit(1, error.message)
        }
    }
}
