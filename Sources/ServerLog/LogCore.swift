// What all loggers derived from one share: the level, the sampler and the open destinations.
import Synchronization

final class LogCore: Sendable {
    private struct State {
        var sinks: [LogSink]
        var sampler: LogSampler?
        /// Reused for each line, so that steady logging does not allocate.
        var buffer: [UInt8] = []
        /// The zone's offset and the quarter hour it was looked up for: offsets only change on those.
        var offsetSeconds: Int64 = 0
        var offsetQuarter: Int64 = .min
    }

    private static let quarterHourNanoseconds: Int64 = 900 * 1_000_000_000

    private let threshold: Atomic<Int>
    private let format: LogFormat
    private let clock: LogClock
    private let state: Mutex<State>

    init(level: LogLevel, format: LogFormat, sinks: [LogSink], sampling: Bool, clock: LogClock) {
        threshold = Atomic(level.rawValue)
        self.format = format
        self.clock = clock
        state = Mutex(State(sinks: sinks, sampler: sampling ? LogSampler() : nil))
    }

    var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .info }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    func write(_ level: LogLevel, _ message: String, loggerName: String, caller: String, fields: [LogField]) {
        state.withLock { state in
            // Read under the lock: lines leave in the order of their time stamps.
            let now = clock.now()
            guard state.sampler?.admits(message, level: level, now: now) ?? true else { return }
            let quarter = now / Self.quarterHourNanoseconds
            if quarter != state.offsetQuarter {
                state.offsetQuarter = quarter
                state.offsetSeconds = clock.offsetSeconds(now / 1_000_000_000)
            }
            let line = LogLine(
                level: level,
                time: now,
                offsetSeconds: state.offsetSeconds,
                loggerName: loggerName,
                caller: caller,
                message: message,
                fields: fields
            )
            state.buffer.removeAll(keepingCapacity: true)
            LogEncoder.append(line, format: format, to: &state.buffer)
            for index in state.sinks.indices { state.sinks[index].write(state.buffer, clock: clock) }
        }
    }

    func close() {
        state.withLock { state in
            for index in state.sinks.indices { state.sinks[index].close() }
            state.sinks = []
        }
    }

    deinit {
        close()
    }
}

/// An open destination.
enum LogSink: Sendable {
    case file(LogFile)
    case rotating(RotatingLogFile)
    case journal(JournalWriter)
    case custom(@Sendable ([UInt8]) -> Void)

    init(_ destination: LogDestination) throws(LogSetupError) {
        switch destination {
        case .standardError: self = .file(.standardError)
        case .standardOutput: self = .file(.standardOutput)
        case .journal: self = .journal(try JournalWriter.open())
        case .file(let path):
            do throws(LogSetupError) {
                self = .file(try LogFile.open(path: path))
            } catch {
                throw LogSetupError("open sink \(goQuoted(path)): \(error.description)")
            }
        case .rotatingFile(let path, let rotation):
            self = .rotating(RotatingLogFile(path: path, rotation: rotation))
        case .custom(let body): self = .custom(body)
        }
    }

    mutating func write(_ bytes: [UInt8], clock: LogClock) {
        switch self {
        case .file(let file): file.write(bytes)
        case .custom(let body): body(bytes)
        case .journal(let journal): journal.write(bytes)
        case .rotating(var file):
            file.write(bytes, clock: clock)
            self = .rotating(file)
        }
    }

    mutating func close() {
        switch self {
        case .file(let file): file.close()
        case .custom: break
        case .journal(let journal): journal.close()
        case .rotating(var file):
            file.close()
            self = .rotating(file)
        }
    }
}
