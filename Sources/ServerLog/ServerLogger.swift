// The member's logger: structured lines, thread safe, one lock per written line and none for a suppressed level.
// The line format is a contract (people and tools parse it), so lines are encoded by hand in zap's form.
//
// Levels panic and fatal only write: ending the process is the caller's decision.
import Synchronization

package final class ServerLogger: Sendable {
    private let core: LogCore
    private let name: String
    private let context: [LogField]

    /// - Parameters:
    ///   - destinations: all get every line.
    ///   - sampling: whether repeated messages are thinned out, see `LogSampler`.
    /// - Throws: a sentence if a file cannot be opened.
    package convenience init(
        level: LogLevel = .info,
        format: LogFormat = .json,
        destinations: [LogDestination] = [.standardError],
        sampling: Bool = true,
        clock: LogClock = .system
    ) throws(LogSetupError) {
        var sinks: [LogSink] = []
        for destination in destinations { sinks.append(try LogSink(destination)) }
        self.init(
            core: LogCore(level: level, format: format, sinks: sinks, sampling: sampling, clock: clock),
            name: "",
            context: []
        )
    }

    private init(core: LogCore, name: String, context: [LogField]) {
        self.core = core
        self.name = name
        self.context = context
    }

    /// The logger before any configuration is known: JSON to standard error from level info.
    package static func standard(clock: LogClock = .system) -> ServerLogger {
        ServerLogger(
            core: LogCore(level: .info, format: .json, sinks: [.file(.standardError)], sampling: true, clock: clock),
            name: "",
            context: []
        )
    }

    /// A logger whose lines carry `name` under `logger`; names of names are joined by a point.
    package func named(_ name: String) -> ServerLogger {
        ServerLogger(core: core, name: self.name.isEmpty ? name : "\(self.name).\(name)", context: context)
    }

    /// A logger that puts `fields` before those of each line.
    package func with(_ fields: [LogField]) -> ServerLogger {
        ServerLogger(core: core, name: name, context: context + fields)
    }

    /// The least severe level that is written. May be changed at any time, for all loggers derived from this one.
    package var level: LogLevel {
        get { core.level }
        set { core.level = newValue }
    }

    package func isEnabled(_ level: LogLevel) -> Bool { level >= core.level }

    /// Closes files that were opened. Later lines to them are lost.
    package func close() { core.close() }
}

extension ServerLogger {
    package func debug(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.debug, message(), fields(), file: file, line: line)
    }

    package func info(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.info, message(), fields(), file: file, line: line)
    }

    package func warn(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.warn, message(), fields(), file: file, line: line)
    }

    package func error(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.error, message(), fields(), file: file, line: line)
    }

    package func dpanic(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.dpanic, message(), fields(), file: file, line: line)
    }

    package func panic(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.panic, message(), fields(), file: file, line: line)
    }

    package func fatal(
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        log(.fatal, message(), fields(), file: file, line: line)
    }

    /// Writes a line at `level`; message and fields are only built if the level is written.
    package func log(
        _ level: LogLevel,
        _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> [LogField] = [],
        file: StaticString = #fileID,
        line: UInt = #line
    ) {
        guard isEnabled(level) else { return }
        write(level, message(), caller: "\(file):\(line)", fields: fields())
    }

    /// Writes a line with the place it came from given as text, for lines that were made elsewhere.
    package func write(_ level: LogLevel, _ message: String, caller: String, fields: [LogField]) {
        guard isEnabled(level) else { return }
        core.write(
            level,
            message,
            loggerName: name,
            caller: caller,
            fields: context.isEmpty ? fields : context + fields
        )
    }
}
