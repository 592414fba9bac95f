#!/usr/bin/env bash
# Measures, and puts what was measured into the README, BENCHMARKS.md and the chart. Needs Go. Run it on a quiet machine.
#
#   bench/publish.sh [ROUNDS] [SECONDS_PER_ROUND]     # 7 rounds of 1 s by default, about five minutes
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-7}
seconds=${2:-1}
data=bench/data/side_by_side.jsonl

cargo build --release -p bench
{
    printf '{"date":"%s","system":"%s","processors":%d,"rust":"%s","go":"%s","seconds_per_round":%s}\n' \
        "$(LC_ALL=C date '+%B %Y')" "$(uname -s)" "$(nproc)" "$(rustc --version | cut -d' ' -f2)" \
        "$(cd interop && go env GOVERSION | sed 's/^go//')" "$seconds"
    target/release/bench --json --participants cmd-stream,cmd-stream-go,raw-tcp --formats json,mus,protobuf \
        --in-flight 1,64,1024 --connections 2 --rounds "$rounds" --seconds-per-round "$seconds"
} >"$data.new"
mv "$data.new" "$data"
target/release/publish
