#!/bin/sh
# Builds the fuzz targets with libFuzzer and runs each for the given number of seconds; a crash ends with its input.
# usage: dev/fuzz.sh SECONDS [TARGET ...]
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
[ $# -gt 0 ] && shift
targets="${*:-protobuf peer-streams wal snap bbolt http2 configuration gateway-json service-records tokens revocation-lists command-line client-frames trace-context}"
SWIFT_ETCD_FUZZ=1 swift build -c release --scratch-path .build/fuzz --sanitize fuzzer --product etcd-fuzz
program="$(SWIFT_ETCD_FUZZ=1 swift build -c release --scratch-path .build/fuzz --sanitize fuzzer --show-bin-path)/etcd-fuzz"
failed=0
for target in $targets; do
    corpus=".build/fuzz-corpus/$target"
    mkdir -p "$corpus"
    if FUZZ_TARGET="$target" "$program" "$corpus" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 -max_len=16384 \
        -print_final_stats=1 -artifact_prefix=".build/fuzz-corpus/$target-" >".build/fuzz-corpus/$target.log" 2>&1; then
        executed=$(sed -n 's/^stat::number_of_executed_units: //p' ".build/fuzz-corpus/$target.log")
        echo "$target: $executed inputs in $seconds s, nothing found"
    else
        failed=1
        echo "$target: FAILED, see .build/fuzz-corpus/$target.log"
        tail -n 30 ".build/fuzz-corpus/$target.log"
    fi
done
exit $failed
