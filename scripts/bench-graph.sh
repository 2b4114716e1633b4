#!/usr/bin/env bash
# Times `hpaxos graph` as whole processes on one core, on generated stake-weighted graphs, in the profile of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked -q -p hpaxos-node
cargo build --locked -q -p hpaxos-learner-graph --example stake_graph
target=${CARGO_TARGET_DIR:-target}/debug
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pin=()
command -v taskset >/dev/null && pin=(taskset -c 0)

printf '%-10s %-12s %-8s %-6s %-9s %s\n' command validators chains skew seconds "exit code (0 yes, 1 no, 2 not settled), for seeds 1 2 3"
measure() {
    local command=$1 validators=$2 chains=$3 skew=$4 seconds=() codes=()
    for seed in 1 2 3; do
        "$target/examples/stake_graph" "$validators" "$chains" "$seed" "$skew" >"$folder/graph.toml"
        local started=$EPOCHREALTIME code=0
        "${pin[@]}" "$target/hpaxos" graph "$command" --json "$folder/graph.toml" >/dev/null || code=$?
        seconds+=("$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')")
        codes+=("$code")
    done
    printf '%-10s %-12s %-8s %-6s %-9s %s\n' "$command" "$validators" "$chains" "$skew" \
        "$(printf '%s\n' "${seconds[@]}" | sort -n | tail -1)" "${codes[*]}"
}
for skew in 1.1 0.5; do
    measure check 100 4 $skew
    measure analyze 100 4 $skew
    measure check 512 8 $skew
    measure analyze 512 8 $skew
done
