// A group of raft nodes in one place, driven command by command: messages wait until they are delivered or dropped,
// Readys until they are handled.

import Base
import DataDriven
import Raft
import RaftWire

final class InteractionEnvironment {
    private var nodes: [ScenarioNode] = []
    /// On their way.
    private var messages: [Message] = []
    private var output = ScenarioOutput()

    /// What a command complains of; it is part of the output.
    struct Complaint: Error {
        var text: String

        init(_ text: String) { self.text = text }
    }

    func handle(_ directive: Directive) throws(DataDrivenError) -> String {
        output.reset()
        let command: () throws(Complaint) -> Void = try command(directive)
        do throws(Complaint) {
            try command()
        } catch {
            if output.isQuiet { return error.text }
            output.write(error.text)
        }
        return output.text.isEmpty ? "ok" : output.text
    }

    /// What the directive asks to be done. Malformed directives throw here, before anything is.
    private func command(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        switch directive.command {
        case "_breakpoint": return { () throws(Complaint) in }
        case "add-nodes": return try addNodes(directive)
        case "log-level": return try setLogLevel(directive)
        case "raft-state": return { () throws(Complaint) in self.printStates() }
        case "deliver-msgs": return try deliver(directive)
        case "stabilize": return try stabilize(directive)
        case "process-ready":
            return try forEach(directive, "handling Ready") { (node) throws(Complaint) in try self.processReady(node) }
        case "process-append-thread":
            return try forEach(directive, "processing append thread") { (node) throws(Complaint) in
                try self.processAppendWork(node)
            }
        case "process-apply-thread":
            return try forEach(directive, "processing apply thread") { (node) throws(Complaint) in
                self.processApplyWork(node)
            }
        default: return try nodeCommand(directive)
        }
    }

    /// Commands to one node.
    private func nodeCommand(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        let numbers = { () throws(DataDrivenError) -> [ScenarioNode] in
            try directive.numbers().map { (number) throws(DataDrivenError) in try self.node(number) }
        }
        switch directive.command {
        case "campaign": return try onNode(directive) { (node) throws(RaftError) in try node.raft.campaign() }
        case "forget-leader":
            // A refusal is in the log.
            return try onNode(directive) { node in try? node.raft.forgetLeader() }
        case "tick-election":
            return try onNode(directive) { node in
                for _ in 0..<node.configuration.electionTicks { node.raft.tick() }
            }
        case "tick-heartbeat":
            return try onNode(directive) { node in
                for _ in 0..<node.configuration.heartbeatTicks { node.raft.tick() }
            }
        case "propose":
            guard directive.arguments.count == 2, directive.arguments[1].values.isEmpty else {
                throw DataDrivenError("propose takes a node and a word")
            }
            let data = Bytes(directive.arguments[1].key)
            return try onNode(directive) { (node) throws(RaftError) in try node.raft.propose(data) }
        case "propose-conf-change": return try proposeConfChange(directive)
        case "raft-log": return try onNode(directive) { node in self.printLog(node) }
        case "status": return try onNode(directive) { node in self.output.write("\(node.raft.status.progress)") }
        case "set-randomized-election-timeout":
            guard let ticks = try directive.value("timeout").flatMap(Int.init), ticks > 0 else {
                throw DataDrivenError("timeout must be a positive number")
            }
            return try onNode(directive) { node in node.raft.setElectionTimeout(ticks: ticks) }
        case "compact":
            guard directive.arguments.count == 2, let index = LogIndex(directive.arguments[1].key) else {
                throw DataDrivenError("compact takes a node and an index")
            }
            let node = try node(directive.firstNumber())
            return { () throws(Complaint) in
                do throws(StorageError) { try node.raft.storage.compact(to: index) } catch {
                    throw Complaint("\(error)")
                }
                self.printLog(node)
            }
        case "transfer-leadership":
            guard let from = try directive.value("from").flatMap(Int.init),
                let to = try directive.value("to").flatMap(Int.init)
            else { throw DataDrivenError("transfer-leadership takes from and to") }
            let (source, target) = (try node(from), try node(to).id)
            return { () throws(Complaint) in
                source.raft.transferLeadership(to: target)
                self.printLines(source)
            }
        case "report-unreachable":
            let pair = try numbers()
            return { () throws(Complaint) in
                guard pair.count == 2 else {
                    throw Complaint("must specify exactly two node indexes: node on which to report, and reported node")
                }
                pair[0].raft.reportUnreachable(pair[1].id)
                self.printLines(pair[0])
            }
        case "send-snapshot":
            let pair = try numbers()
            guard pair.count == 2 else { throw DataDrivenError("send-snapshot takes two nodes") }
            return { () throws(Complaint) in self.sendSnapshot(from: pair[0], to: pair[1]) }
        default: return { () throws(Complaint) in throw Complaint("unknown command") }
        }
    }

    // MARK: Nodes

    private func node(_ number: Int) throws(DataDrivenError) -> ScenarioNode {
        guard number >= 1, number <= nodes.count else { throw DataDrivenError("there is no node \(number)") }
        return nodes[number - 1]
    }

    private func onNode(
        _ directive: Directive,
        _ body: @escaping (ScenarioNode) throws(RaftError) -> Void
    ) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        let node = try node(directive.firstNumber())
        return { () throws(Complaint) in
            defer { self.printLines(node) }
            do throws(RaftError) {
                try body(node)
            } catch {
                self.printLines(node)
                throw Complaint("\(error)")
            }
        }
    }

    /// The nodes named, one after another; several of them under a heading each.
    private func forEach(
        _ directive: Directive,
        _ action: String,
        _ body: @escaping (ScenarioNode) throws(Complaint) -> Void
    ) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        let chosen = try directive.numbers().map { (number) throws(DataDrivenError) in try node(number) }
        return { () throws(Complaint) in
            for node in chosen {
                if chosen.count == 1 {
                    try body(node)
                } else {
                    try self.indented("> \(node.id) \(action)\n") { () throws(Complaint) in try body(node) }
                }
            }
        }
    }

    private func indented(_ heading: String, _ body: () throws(Complaint) -> Void) throws(Complaint) {
        output.write(heading)
        let outer = output.beginIndented()
        defer { output.endIndented(outer) }
        try body()
    }

    /// Prints what the node has logged since.
    private func printLines(_ node: ScenarioNode) {
        for line in node.raft.drainLog() { output.write(line) }
    }

    private func printLog(_ node: ScenarioNode) {
        let (first, last) = (node.raft.storage.firstIndex, node.raft.storage.lastIndex)
        if last < first {
            output.write("log is empty: first index=\(first), last index=\(last)")
            return
        }
        let entries = (try? node.raft.storage.entries(from: first, to: last + 1)) ?? []
        for entry in entries { output.write(entry.summary + "\n") }
    }

    private func printStates() {
        for node in nodes {
            let status = node.raft.status
            let isVoter = status.members.voters.contains(node.id)
            output.write(
                "\(node.id): \(status.basic.role) \(isVoter ? "(Voter)" : "(Non-Voter)") "
                    + "Term:\(status.basic.term) Lead:\(status.basic.lead)\n"
            )
        }
    }

    private func setLogLevel(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        guard let name = directive.arguments.first?.key else { throw DataDrivenError("log-level takes a level") }
        return { () throws(Complaint) in try self.setLogLevel(name) }
    }

    private func setLogLevel(_ name: String) throws(Complaint) {
        guard let level = ScenarioOutput.Level(name: name) else {
            let names = ScenarioOutput.Level.allCases.map(\.name).joined(separator: " ")
            throw Complaint("log levels must be either of [\(names)]")
        }
        output.level = level
    }

    // MARK: Adding nodes

    private func addNodes(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        let setup = try NodeSetup(directive)
        return { () throws(Complaint) in
            if let complaint = setup.complaint { throw Complaint(complaint) }
            for _ in 0..<setup.count {
                var configuration = setup.configuration
                configuration.id = MemberID(self.nodes.count + 1)
                do throws(RaftError) {
                    let node = try ScenarioNode(configuration, snapshot: setup.snapshot, storage: setup.storage)
                    self.nodes.append(node)
                    self.printLines(node)
                } catch {
                    throw Complaint("\(error)")
                }
            }
        }
    }

    // MARK: Messages

    private struct Delivery {
        var id: MemberID
        var isDropped = false
    }

    private func deliver(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        var type: MessageType?
        var deliveries: [Delivery] = []
        for argument in directive.arguments {
            if argument.values.isEmpty {
                guard let id = MemberID(argument.key) else { throw DataDrivenError("not a node: \(argument.key)") }
                deliveries.append(Delivery(id: id))
            }
            for value in argument.values {
                switch argument.key {
                case "drop":
                    guard let id = MemberID(value), !deliveries.contains(where: { $0.id == id }) else {
                        throw DataDrivenError("can't both deliver and drop msgs to \(value)")
                    }
                    deliveries.append(Delivery(id: id, isDropped: true))
                case "type":
                    guard let named = MessageType.allCases.first(where: { $0.description == value }) else {
                        throw DataDrivenError("unknown message type \(value)")
                    }
                    type = named
                default: break
                }
            }
        }
        return { () throws(Complaint) in
            var count = 0
            for delivery in deliveries { count += self.deliver(delivery, type) }
            if count == 0 { self.output.write("no messages\n") }
        }
    }

    /// Whether a delivery concerns a message. What a node says to itself or its storage is never dropped.
    private func concerns(_ delivery: Delivery, _ type: MessageType?, _ message: Message) -> Bool {
        let isLocal =
            message.from == message.to || LocalTarget.isLocal(message.from) || LocalTarget.isLocal(message.to)
        return message.to == delivery.id && !(delivery.isDropped && isLocal)
            && (type.map { $0 == message.type } ?? true)
    }

    private func deliver(_ delivery: Delivery, _ type: MessageType?) -> Int {
        let chosen = messages.filter { concerns(delivery, type, $0) }
        messages.removeAll { concerns(delivery, type, $0) }
        for message in chosen {
            output.write((delivery.isDropped ? "dropped: " : "") + message.summary + "\n")
            if delivery.isDropped { continue }
            let node = nodes[Int(message.to) - 1]
            do throws(RaftError) {
                try node.raft.step(message)
                printLines(node)
            } catch {
                printLines(node)
                output.write("\(error)\n")
            }
        }
        return chosen.count
    }

    private func sendSnapshot(from source: ScenarioNode, to target: ScenarioNode) {
        let message = Message(
            type: .snapshot,
            to: target.id,
            from: source.id,
            term: source.raft.basicStatus.term,
            snapshot: source.latestState
        )
        messages.append(message)
        output.write(message.summary)
    }

    // MARK: Readys and storage work

    private func processReady(_ node: ScenarioNode) throws(Complaint) {
        let ready = node.raft.ready()
        output.write(ready.summary)
        printLines(node)
        if !node.configuration.asyncStorageWrites {
            do throws(StorageError) {
                try node.save(ready.hardState, ready.entries, ready.snapshot)
            } catch {
                throw Complaint("\(error)")
            }
            node.apply(ready.committedEntries)
            printLines(node)
        }
        for message in ready.messages {
            switch message.to {
            case LocalTarget.append: node.appendWork.append(message)
            case LocalTarget.apply: node.applyWork.append(message)
            default: messages.append(message)
            }
        }
        if !node.configuration.asyncStorageWrites {
            node.raft.advance(ready)
            printLines(node)
        }
    }

    private func processAppendWork(_ node: ScenarioNode) throws(Complaint) {
        guard !node.appendWork.isEmpty else {
            output.write("no append work to perform")
            return
        }
        var work = node.appendWork.removeFirst()
        let responses = takeResponses(&work)
        do throws(StorageError) {
            try node.save(
                HardState(term: work.term, vote: work.vote, commit: work.commit),
                work.entries,
                work.snapshot
            )
        } catch {
            throw Complaint("\(error)")
        }
        send(responses)
    }

    private func processApplyWork(_ node: ScenarioNode) {
        guard !node.applyWork.isEmpty else {
            output.write("no apply work to perform")
            return
        }
        var work = node.applyWork.removeFirst()
        let responses = takeResponses(&work)
        node.apply(work.entries)
        printLines(node)
        send(responses)
    }

    private func takeResponses(_ work: inout Message) -> [Message] {
        let responses = work.responses
        work.responses = []
        output.write("Processing:\n\(work.summary)\n")
        return responses
    }

    private func send(_ responses: [Message]) {
        output.write("Responses:\n" + responses.map { $0.summary + "\n" }.joined())
        messages += responses
    }

    // MARK: Until nothing happens any more

    private func stabilize(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        let level = try directive.value("log-level")
        let named = try directive.numbers().map { (number) throws(DataDrivenError) in try node(number) }
        return { () throws(Complaint) in
            let outerLevel = self.output.level
            defer { self.output.level = outerLevel }
            if let level { try self.setLogLevel(level) }
            let chosen = named.isEmpty ? self.nodes : named
            while try self.stabilizeOnce(chosen) {}
        }
    }

    /// False if there was nothing to do.
    private func stabilizeOnce(_ chosen: [ScenarioNode]) throws(Complaint) -> Bool {
        var isDone = true
        for node in chosen where node.raft.hasReady {
            try indented("> \(node.id) handling Ready\n") { () throws(Complaint) in try processReady(node) }
            isDone = false
        }
        for node in chosen {
            let delivery = Delivery(id: node.id)
            guard messages.contains(where: { concerns(delivery, nil, $0) }) else { continue }
            try indented("> \(node.id) receiving messages\n") { () throws(Complaint) in _ = deliver(delivery, nil) }
            isDone = false
        }
        for node in chosen where !node.appendWork.isEmpty {
            output.write("> \(node.id) processing append thread\n")
            while !node.appendWork.isEmpty {
                try indented("") { () throws(Complaint) in try processAppendWork(node) }
            }
            isDone = false
        }
        for node in chosen where !node.applyWork.isEmpty {
            output.write("> \(node.id) processing apply thread\n")
            while !node.applyWork.isEmpty {
                try indented("") { () throws(Complaint) in processApplyWork(node) }
            }
            isDone = false
        }
        return !isDone
    }

    // MARK: Configuration changes

    private func proposeConfChange(_ directive: Directive) throws(DataDrivenError) -> () throws(Complaint) -> Void {
        let node = try node(directive.firstNumber())
        return { () throws(Complaint) in
            let proposal = try ConfChangeProposal(directive)
            do throws(RaftError) {
                if let single = proposal.v1 {
                    try node.raft.proposeConfChange(single)
                } else {
                    try node.raft.proposeConfChange(proposal.v2)
                }
                self.printLines(node)
            } catch {
                self.printLines(node)
                throw Complaint("\(error)")
            }
        }
    }
}
