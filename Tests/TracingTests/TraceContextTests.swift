import Testing
import Tracing

@Suite("Trace context")
struct TraceContextTests {
    static let trace = "0af7651916cd43dd8448eb211c80319c"
    static let span = "b7ad6b7169203331"

    @Test("what a client says is taken")
    func valid() throws {
        let context = try #require(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-01", state: nil))
        #expect(context.traceID == TraceID(high: 0x0af7_6519_16cd_43dd, low: 0x8448_eb21_1c80_319c))
        #expect(context.spanID == 0xb7ad_6b71_6920_3331)
        #expect(context.isSampled && context.flags == 1 && context.state.isEmpty)
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-00", state: nil)?.isSampled == false)
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-03", state: nil)?.flags == 3)
        // Later versions may say more, which is passed over.
        #expect(TraceContext(parent: "cc-\(Self.trace)-\(Self.span)-ff-what-else", state: nil)?.flags == 3)
    }

    @Test(
        "what is malformed begins a trace of its own",
        arguments: [
            "", "-", "00", "00-", "00-\(trace)", "00-\(trace)-\(span)", "00-\(trace)-\(span)-", "00-\(trace)-\(span)-1",
            "00-\(trace)-\(span)-01-", "00-\(trace)-\(span)-01-more", "00-\(trace)-\(span)-04",
            "00-\(trace)-\(span)-ff",
            "ff-\(trace)-\(span)-01", "0-\(trace)-\(span)-01", "zz-\(trace)-\(span)-01",
            "00-\(trace.uppercased())-\(span)-01", "00-\(trace)-\(span.uppercased())-01",
            "00-\(trace.dropLast())-\(span)-01",
            "00-\(trace)0-\(span)-01", "00-\(trace)-\(span)0-01", "00-\(trace.dropLast())x-\(span)-01",
            "00-00000000000000000000000000000000-\(span)-01", "00-\(trace)-0000000000000000-01",
            " 00-\(trace)-\(span)-01", "00-\(trace)-\(span)-01 ", "00_\(trace)_\(span)_01", "00-\(trace)-\(span)-ö",
            "00-+f7651916cd43dd8448eb211c80319c0-\(span)-01",
        ]
    )
    func malformed(parent: String) {
        #expect(TraceContext(parent: parent, state: "a=b") == nil)
    }

    @Test("the vendors' list is checked, and dropped as a whole if any of it is wrong")
    func state() {
        func state(_ text: String) -> String? {
            TraceContext(parent: "00-\(Self.trace)-\(Self.span)-01", state: text)?.state
        }
        #expect(state("a=b") == "a=b")
        #expect(state(" a=b ,, 0t@sys=x y\t") == "a=b,0t@sys=x y")
        for wrong in [
            "a", "=b", "a=", "A=b", "a=b,a=c", "0a=b", "a@=b", "@a=b", "a@0=b", "a=b=c", "a=\u{7f}", "ä=b",
            String(repeating: "k", count: 257) + "=v", "k=" + String(repeating: "v", count: 257),
            (0..<33).map { "k\($0)=v" }.joined(separator: ","),
        ] {
            #expect(state(wrong) == "", "\(wrong)")
        }
        #expect(state((0..<32).map { "k\($0)=v" }.joined(separator: ","))?.isEmpty == false)
    }
}

@Suite("Sampler")
struct SamplerTests {
    private func id(_ low: UInt64) -> TraceID { TraceID(high: 1, low: low) }

    @Test("a share of the identities, the same for everyone")
    func share() {
        let half = Sampler(perMillion: 500_000)
        #expect(half.takes(id(0), parent: nil))
        #expect(half.takes(id((1 << 63) - 1), parent: nil))
        #expect(!half.takes(id(1 << 63), parent: nil))
        #expect(!half.takes(id(.max), parent: nil))
        #expect(Sampler(perMillion: 1).takes(id(UInt64(9_223_372_036_853) << 1), parent: nil))
        #expect(!Sampler(perMillion: 1).takes(id(UInt64(9_223_372_036_854) << 1), parent: nil))
    }

    @Test("none and all")
    func ends() {
        for low in [0, 1, 1 << 63, UInt64.max] {
            #expect(!Sampler(perMillion: 0).takes(id(low), parent: nil))
            #expect(!Sampler(perMillion: -5).takes(id(low), parent: nil))
            #expect(Sampler(perMillion: 1_000_000).takes(id(low), parent: nil))
        }
    }

    @Test("who belongs to a trace does as the caller did")
    func parents() {
        let kept = TraceContext(traceID: id(.max), spanID: 1, flags: 1)
        let dropped = TraceContext(traceID: id(0), spanID: 1, flags: 0)
        #expect(Sampler(perMillion: 0).takes(kept.traceID, parent: kept))
        #expect(!Sampler(perMillion: 1_000_000).takes(dropped.traceID, parent: dropped))
    }
}
