#!/usr/bin/env bash
# Runs the suite, and puts what was measured into the README, BENCHMARKS.md and the charts. Needs Go. Run it on a quiet machine,
# for about half an hour.
#
#   bench/publish.sh [OPTIONS OF THE SUITE]
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release -p bench -p bench-report
target/release/bench suite --out target/suite "$@"
target/release/bench-report publish target/suite/results.jsonl .
