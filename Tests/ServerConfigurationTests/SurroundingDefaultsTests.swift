// The defaults that an image brings along: they yield to flags and variables, and never conflict with them.

import Testing

@testable import ServerConfiguration

@Suite struct SurroundingDefaultsTests {
    let image = [
        SurroundingDefaults.variable:
            "data-dir=/var/lib/etcd; listen-client-urls=http://0.0.0.0:2379 advertise-client-urls=http://localhost:2379; "
            + "listen-peer-urls=http://0.0.0.0:2380"
    ]

    @Test func theyCountWithoutFlags() throws {
        let (configuration, lines) = try run([], environment: image)
        #expect(configuration.dataDirectory == "/var/lib/etcd")
        #expect(configuration.listen.clientURLs.map(\.description) == ["http://0.0.0.0:2379"])
        #expect(configuration.listen.advertiseClientURLs.map(\.description) == ["http://localhost:2379"])
        #expect(configuration.listen.peerURLs.map(\.description) == ["http://0.0.0.0:2380"])
        #expect(!lines.contains { $0.message == "unrecognized environment variable" })
    }

    @Test func flagsAndVariablesGoFirst() throws {
        let (byFlag, _) = try run(
            ["--data-dir=/x", "--listen-client-urls=http://127.0.0.1:1", "--advertise-client-urls=http://a:1"],
            environment: image
        )
        #expect(byFlag.dataDirectory == "/x")
        #expect(byFlag.listen.clientURLs.map(\.description) == ["http://127.0.0.1:1"])
        #expect(byFlag.listen.advertiseClientURLs.map(\.description) == ["http://a:1"])

        let variables = ["ETCD_LISTEN_CLIENT_URLS": "http://127.0.0.1:2", "ETCD_ADVERTISE_CLIENT_URLS": "http://b:2"]
        let (byVariable, _) = try run([], environment: image.merging(variables) { $1 })
        #expect(byVariable.listen.clientURLs.map(\.description) == ["http://127.0.0.1:2"])
        #expect(byVariable.dataDirectory == "/var/lib/etcd")
    }

    @Test func aGroupIsTakenWholeOrNotAtAll() throws {
        let failure = try fail(["--listen-client-urls=http://127.0.0.1:1"], environment: image)
        #expect(failure.message.contains("--advertise-client-urls"))
    }

    @Test func mistakesAreNamed() throws {
        #expect(try fail([], environment: [SurroundingDefaults.variable: "nonsense=1"]).message.contains("nonsense=1"))
        #expect(
            try fail([], environment: [SurroundingDefaults.variable: "listen-peer-urls=x"]).message.contains(
                "listen-peer-urls"
            )
        )
    }
}
