// The places log lines go to, and etcd's reading of --log-outputs.

package enum LogDestination: Sendable {
    case standardError
    case standardOutput
    /// systemd's journal; standard error for what it does not take.
    case journal
    /// Appended to; created with mode 0600.
    case file(String)
    case rotatingFile(String, LogRotation)
    /// Lines handed to a function, one call per line: tests and embedders.
    case custom(@Sendable ([UInt8]) -> Void)
}

extension LogDestination {
    package static let defaultOutput = "default"
    package static let journalOutput = "systemd/journal"
    package static let discardOutput = "/dev/null"

    /// The destinations meant by the values of --log-outputs. `default` is standard error, where the service
    /// manager picks lines up as well.
    package static func parse(outputs: [String], rotation: LogRotation?) throws(LogSetupError) -> [LogDestination] {
        let outputs = outputs.isEmpty ? [defaultOutput] : outputs
        if outputs.count > 1, outputs.contains(defaultOutput) {
            throw LogSetupError("multi logoutput for \"default\" is not supported yet")
        }
        if rotation != nil {
            let files = outputs.count { !["default", "stderr", "stdout"].contains($0) }
            // Go's check lets two standard streams without a file pass; so do we, rotation then has no effect.
            if (outputs.count == 1 && files == 0) || files > 1 {
                throw LogSetupError(
                    "--log-outputs requires a single file path when --log-rotate-config-json is defined"
                )
            }
        }
        // Beside the journal there are no others, as with etcd.
        if outputs.contains(journalOutput) { return [.journal] }
        if outputs.contains(discardOutput), rotation == nil { return [.file(discardOutput)] }
        return Set(outputs).sorted().map { output in
            switch output {
            case defaultOutput, "stderr": .standardError
            case "stdout": .standardOutput
            default:
                if let rotation { .rotatingFile(output, rotation) } else { .file(path(of: output)) }
            }
        }
    }

    private static func path(of output: String) -> String {
        output.hasPrefix("file:///") ? String(output.dropFirst("file://".count)) : output
    }
}
