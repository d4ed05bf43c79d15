// Runs data-driven files about raft: groups of nodes that interact, quorums, and changes of configurations. The
// commands say which of the three a file is about.

package import DataDriven

package struct ScenarioRunner {
    private let interaction = InteractionEnvironment()
    private var configuration = ConfigurationScenario()

    package init() {}

    /// Runs a file in surroundings of its own.
    /// - Returns: a unified diff; empty if everything came as the file says.
    package static func run(name: String, text: String) -> String {
        let file: DataDrivenFile
        do throws(DataDrivenError) {
            file = try DataDrivenFile(name: name, text: text)
        } catch {
            return "\(name):\(error.line): \(error.text)\n"
        }
        var runner = ScenarioRunner()
        return file.run { (directive) throws(DataDrivenError) in try runner.handle(directive) }
    }

    package mutating func handle(_ directive: Directive) throws(DataDrivenError) -> String {
        switch directive.command {
        case "committed", "vote": try QuorumScenario.handle(directive)
        case "simple", "enter-joint", "leave-joint": try configuration.handle(directive)
        default: try interaction.handle(directive)
        }
    }
}
