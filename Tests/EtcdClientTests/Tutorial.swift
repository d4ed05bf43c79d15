// The code of the tutorial: it compiles here and runs against a real member; `TutorialTests` checks that the article shows
// exactly this.

import EtcdClient

struct Tutorial {
    let endpoint: String

    struct Missing: Error {}

    func run() async throws {
        let client = try connect()
        defer { client.close() }
        try await keys(client)
        try await transactions(client)
        try await watching(client)
        try await leases(client)
        try await locking(client)
        try await leading(client)
        try await accounts(client)
        try await parts(client)
    }

    func connect() throws -> Client {
        var configuration = ClientConfiguration(endpoints: [endpoint])
        configuration.requestTimeout = .seconds(5)
        configuration.keepaliveTime = .seconds(10)
        configuration.autoSyncInterval = .seconds(60)
        let client = try Client(configuration)
        return client
    }

    func secured() throws -> Client {
        var configuration = ClientConfiguration(endpoints: ["https://etcd-1:2379", "https://etcd-2:2379"])
        configuration.security = TransportSecurity(
            trustedAuthorityFile: "ca.pem",
            certificateFile: "client.pem",
            keyFile: "client-key.pem"
        )
        configuration.credentials = .password(user: "app", password: "secret")
        let client = try Client(configuration)
        return client
    }

    func keys(_ client: Client) async throws {
        try await client.put("config/greeting", "hello")
        let greeting = try await client.get("config/greeting")
        print(greeting?.text ?? "nothing")

        let all = try await client.get(.prefix("config/"), limit: 100)
        for pair in all.pairs { print(pair.name, pair.modRevision) }

        let wasThere = try await client.delete("config/old")
        guard greeting?.text == "hello", all.count == 1, !wasThere else { throw Missing() }
    }

    func transactions(_ client: Client) async throws {
        let claim = Transaction()
            .when(.missing("jobs/1/owner"))
            .then(.put("jobs/1/owner", "worker-a"))
            .otherwise(.get("jobs/1/owner"))
        let result = try await client.commit(claim)
        if !result.succeeded, let owner = result.pair(at: 0) { print("taken by", owner.text) }
        guard result.succeeded else { throw Missing() }
    }

    func watching(_ client: Client) async throws {
        let options = WatchOptions(startRevision: 1, onCompaction: .resume)
        for try await event in client.watch(.prefix("config/"), options) {
            print(event.kind, event.pair.name)
            if event.pair.name == "config/greeting" { break }
        }
    }

    func leases(_ client: Client) async throws {
        let session = try await Session.start(on: client, timeToLive: 10)
        try await client.put("services/web/1", "10.0.0.1:80", lease: session.lease)
        // … until the service stops:
        try await session.close()
        guard try await client.get("services/web/1") == nil else { throw Missing() }
    }

    func locking(_ client: Client) async throws {
        let session = try await Session.start(on: client, timeToLive: 10)
        let lock = DistributedLock(session: session, name: "nightly-report")
        try await lock.withLock { grip in
            let write = Transaction().when(grip.isHeld).then(.put("report", "done"))
            guard try await client.commit(write).succeeded else { return }
        }
        try await session.close()
    }

    func leading(_ client: Client) async throws {
        let session = try await Session.start(on: client, timeToLive: 10)
        let election = Election(session: session, name: "scheduler")
        let leadership = try await election.campaign("host-1")
        print("the leader is", try await election.leader()?.text ?? "nobody")
        try await election.resign(leadership)
        try await session.close()
    }

    func accounts(_ client: Client) async throws {
        try await client.put("account/a", "100")
        try await client.transact { run in
            let a = Int(try await run.text("account/a") ?? "") ?? 0
            let b = Int(try await run.text("account/b") ?? "") ?? 0
            run.put("account/a", "\(a - 10)")
            run.put("account/b", "\(b + 10)")
        }
        guard try await client.get("account/b")?.text == "10" else { throw Missing() }
    }

    func parts(_ client: Client) async throws {
        let tenant = Namespace(client, prefix: "tenants/42/")
        try await tenant.put("name", "Example")
        guard try await client.get("tenants/42/name") != nil else { throw Missing() }
    }
}
