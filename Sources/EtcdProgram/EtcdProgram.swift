// The program `etcd`: reads its settings, runs a member until a signal ends it.

import CommandLineKit
import EtcdServer
import FileIO
import FoundationEssentials
import GRPCProxy
import ServerConfiguration
import ServerLog

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

package enum EtcdProgram {
    /// Runs to the end of the process. To be called on the main thread, before there are others: signals are blocked in
    /// the threads that come after.
    /// - Parameter arguments: of the process, its name included.
    package static func main(_ arguments: [String]) -> Never {
        signal(SIGPIPE, SIG_IGN)
        if ProxyProgram.isMeant(by: arguments) { ProxyProgram.main(arguments) }
        switch ServerConfiguration.parse(
            arguments: arguments,
            environment: ProcessInfo.processInfo.environment,
            readFile: readFile,
            defaultHost: DefaultHost.detect
        )
        {
        case .printVersion:
            Terminal.out(HelpText.version(gitSHA: "Not provided"))
            exit(0)
        case .printHelp:
            Terminal.error(HelpText.usage)
            Terminal.out(HelpText.flags)
            exit(0)
        case .failure(let failure):
            Terminal.error(failure.standardErrorText)
            let configured = try? failure.logging?.openLogger()
            for line in failure.logLines {
                line.write(to: line.logger == .configured ? configured ?? .standard() : .standard())
            }
            exit(failure.exitCode)
        case .run(let configuration, let lines):
            let logger: ServerLogger
            do {
                logger = try configuration.logging.openLogger()
            } catch {
                ServerLogger.standard().warn("failed to verify flags", [.error(error)])
                exit(1)
            }
            for line in lines { line.write(to: line.logger == .configured ? logger : .standard()) }
            runMember(configuration, logger)
        }
    }

    private static func runMember(_ configuration: ServerConfiguration, _ logger: ServerLogger) -> Never {
        // Signals are taken by a thread of their own: blocked everywhere else from here on.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)

        let ending = Ending()
        ending.watch(signals)
        let server = EtcdServer(configuration: configuration, logger: logger, whenRemoved: { ending.end(.removed) })
        do {
            try server.start()
        } catch {
            logger.fatal((error as? ServerStartError)?.message ?? "discovery failed", [.error(error)])
            exit(1)
        }
        switch ending.wait() {
        case .removed:
            server.stop(handsOver: false)
        case .signal(let received):
            logger.info(
                "received signal; shutting down",
                [.string("signal", received == SIGINT ? "interrupt" : "terminated")]
            )
            server.stop()
            // The first process of a container cannot be ended by a signal of its own.
            if getpid() == 1 { exit(0) }
            // As etcd ends: by the signal itself, for whoever waits for the process.
            signal(received, SIG_DFL)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            kill(getpid(), received)
            sleep(1)
        }
        exit(0)
    }

    private static func readFile(_ path: String) throws -> [UInt8] {
        try POSIXFileSystem().read(path)
    }
}
