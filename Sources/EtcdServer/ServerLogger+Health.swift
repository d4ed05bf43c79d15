// The log lines about pages of health.

import EtcdAPI
import FrontDoor
import ServerLog

extension ServerLogger {
    /// What was found out when somebody asked for the member's health.
    func write(_ news: HealthNews) {
        switch news {
        case .wrongMethod: warn("/health error", [.int("status-code", 405)])
        case .alarm(let alarm): warn("serving /health false due to an alarm", [.string("alarm", alarm.text)])
        case .noLeader: warn("serving /health false; no leader")
        case .rangeFailed(let reason): warn("serving /health false; Range fails", [.error(reason)])
        case .unhealthy(let output):
            warn("/health error", [.string("output", output), .int("status-code", 503)])
        case .wrongMethodOfChecks(let path):
            warn("Health request error", [.string("path", path), .int("status-code", 405)])
        case .checksFailed(let path, let reason):
            error(
                "Health check error", [.string("path", path), .string("reason", reason), .int("status-code", 503)])
        case .unknownChecks(let names):
            let quoted = names.map { "\"\($0)\"" }.joined(separator: ",")
            warn("some health checks cannot be excluded", [.string("missing-health-checks", quoted)])
        }
    }
}
