#!/usr/bin/env bash
# Measures what a first build costs: a hello-world crate with cmd-stream, with tonic and with tarpc, in turn.
#
#   bench/build_time.sh [ROUNDS]      # 3 rounds by default; needs cargo and protoc (for tonic)
#
# Each round builds each crate once, from nothing, with `cargo build` (debug). Downloads are done beforehand and do not
# count. Each crate is the same program: a server and a client in one process, one unary call that echoes a string. Each has
# only the features that this needs: see bench/build_time/*/Cargo.toml. Wall time depends on what else the machine does;
# CPU time (user + system, of Cargo and all its children) depends on it much less. Every figure is a median over the rounds.
set -euo pipefail
cd "$(dirname "$0")/build_time"

rounds=${1:-3}
names=(cmd_stream tonic tarpc)
work=$(cd ../.. && pwd)/target/build_time
results=$work/results
TIMEFORMAT='%R %U %S'

median() { sort -n | awk '{ all[NR] = $1 } END { print (all[int((NR + 1) / 2)] + all[int(NR / 2) + 1]) / 2 }'; }
column() { awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$results"; }
range() { printf '%.1f (%.1f to %.1f)' "$(column "$1" "$2" | median)" \
    "$(column "$1" "$2" | sort -n | head -1)" "$(column "$1" "$2" | sort -n | tail -1)"; }

# What is compiled is named once a build; `cargo tree` says how much of it ends up in the program.
crates() { (cd "$1" && cargo tree --offline -e normal --prefix none --no-dedupe | sort -u | wc -l); }
compiled() { grep -c '^ *Compiling ' "$work/$1.log"; }

mkdir -p "$work"
rm -f "$results"
for name in "${names[@]}"; do (cd "$name" && cargo fetch --quiet); done
for ((round = 0; round < rounds; round++)); do
    echo "round $((round + 1)) of $rounds" >&2
    for ((turn = 0; turn < ${#names[@]}; turn++)); do
        name=${names[$(((round + turn) % ${#names[@]}))]} # another one begins each round
        rm -rf "${work:?}/$name"
        { time (cd "$name" && CARGO_TARGET_DIR=$work/$name cargo build --offline 2>"$work/$name.log"); } 2>"$work/time" ||
            { cat "$work/$name.log" >&2; exit 1; }
        read -r wall user system <"$work/time"
        echo "$name $wall $(awk "BEGIN { print $user + $system }")" >>"$results"
        test "$("$work/$name/debug/echo_$name")" = hello # what was built works
    done
done

echo "| crate | crates in the program | crates compiled | wall s | CPU s |"
echo "| --- | --- | --- | --- | --- |"
for name in "${names[@]}"; do
    echo "| $name | $(crates "$name") | $(compiled "$name") | $(range "$name" 2) | $(range "$name" 3) |"
done
