"""What a member's log complains of, and was not to be expected."""

import json

# Lines that a sound member writes too, by the beginnings of their messages.
EXPECTED = (
    "Running http and grpc server on single port. This is not recommended for production.",
    "simple token is not cryptographically signed",
    "it isn't recommended to use default name",
    "alarms changed",
    "fail exclude alarms from health check",
    "alarm raised",
    "alarm disarmed",
    # On a busy machine.
    "request stats",
    "apply request took too long",
    "leader failed to send out heartbeat on time",
    "slow fdatasync",
    # At a stop.
    "setting up serving from embedded etcd failed.",
    "stopping insecure grpc server due to error",
    "stopped insecure grpc server due to error",
)


def complaints(member, but=()):
    """Warnings and worse, and what is no log line at all, as a panic's."""
    found = []
    for line in member.log().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            # The gRPC library's own, in early releases.
            if not line.startswith("WARNING: ") or "[core] grpc:" not in line:
                found.append(line)
            continue
        if entry.get("level") in ("debug", "info") or entry.get("msg", "").startswith(EXPECTED + tuple(but)):
            continue
        found.append(line)
    return found
