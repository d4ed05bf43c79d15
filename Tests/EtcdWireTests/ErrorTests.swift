import EtcdWire
import Testing

@Suite struct ErrorTests {
    @Test func codesAreThoseOnTheWire() {
        #expect(EtcdError.emptyKey == EtcdError(code: .invalidArgument, message: "etcdserver: key is not provided"))
        #expect(EtcdError.compacted.code == .outOfRange)
        #expect(EtcdError.noSpace.code == .resourceExhausted)
        #expect(EtcdError.leaseNotFound.code == .notFound)
        // The two that Go's server sends with another code than its client table has.
        #expect(EtcdError.memberNotEnoughStarted.code == .unknown)
        #expect(EtcdError.requestTooManyRequests.code == .unknown)
        #expect(EtcdError.missingLeaderKey.message == #""leader" field must be provided"#)
    }

    @Test func tableIsFoundBySentence() {
        #expect(EtcdError.table.count == 79)
        for error in EtcdError.table { #expect(EtcdError.known(message: error.message) == error) }
        #expect(EtcdError.known(message: "etcdserver: nothing of the kind") == nil)
    }

    @Test func transportLimit() {
        #expect(
            EtcdError.messageTooLarge(size: 3, limit: 2).message == "grpc: received message larger than max (3 vs. 2)"
        )
    }

    @Test(arguments: [
        (GRPCStatusCode.ok, "OK", 200), (.canceled, "Canceled", 499), (.unknown, "Unknown", 500),
        (.invalidArgument, "InvalidArgument", 400), (.deadlineExceeded, "DeadlineExceeded", 504),
        (.notFound, "NotFound", 404), (.alreadyExists, "AlreadyExists", 409),
        (.permissionDenied, "PermissionDenied", 403), (.resourceExhausted, "ResourceExhausted", 429),
        (.failedPrecondition, "FailedPrecondition", 400), (.aborted, "Aborted", 409), (.outOfRange, "OutOfRange", 400),
        (.unimplemented, "Unimplemented", 501), (.internalError, "Internal", 500), (.unavailable, "Unavailable", 503),
        (.dataLoss, "DataLoss", 500), (.unauthenticated, "Unauthenticated", 401),
    ])
    func codes(code: GRPCStatusCode, name: String, status: Int) {
        #expect(code.name == name)
        #expect(code.httpStatus == status)
    }
}
