// Scenarios of configuration changes: `simple`, `enter-joint` and `leave-joint`, each applied to what the last one left.

import Base
import DataDriven
import Raft
import RaftWire

struct ConfigurationScenario {
    private var tracker = ProgressTracker(inflightsMax: 10)
    /// One more with every command, so that the progress of new members shows when they came.
    private var lastIndex: LogIndex = 0

    mutating func handle(_ directive: Directive) throws(DataDrivenError) -> String {
        defer { lastIndex += 1 }
        let changes: [ConfChangeSingle]
        do throws(ConfChangeText.Malformed) {
            changes = try ConfChangeText.parse(directive.input)
        } catch {
            return error.text
        }
        let autoLeave = try directive.value("autoleave") == "true"
        var reconfiguration = Reconfiguration(tracker, lastIndex: lastIndex)
        do throws(ConfChangeError) {
            switch directive.command {
            case "simple": try reconfiguration.changeDirectly(changes)
            case "enter-joint": try reconfiguration.enterJoint(autoLeave: autoLeave, changes)
            default:
                if !changes.isEmpty { return "this command takes no input\n" }
                try reconfiguration.leaveJoint()
            }
        } catch {
            return "\(error)\n"
        }
        tracker.adopt(reconfiguration)
        return "\(tracker.members)\n\(tracker.progress)"
    }
}
