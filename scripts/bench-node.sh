#!/usr/bin/env bash
# What `hpaxos-bench` leaves to long runs, with four real validators on loopback: commits beside a traitor, the slope of memory,
# and catching up. Prints figures of a machine that does nothing else.
#
#   scripts/bench-node.sh [FOLDER-OF-THE-PROGRAMS]     default: target/release
#   BENCH_SLOTS_SECONDS=400 BENCH_BYZANTINE_SECONDS=120 BENCH_BEHIND=10000 scripts/bench-node.sh
#
# BENCH_SLOTS_SECONDS decides how far the slope of memory is seen, BENCH_BEHIND how many slots a node misses at 50 a second.
set -euo pipefail

programs=$(realpath "${1:-target/release}")
slots_seconds=${BENCH_SLOTS_SECONDS:-60}
byzantine_seconds=${BENCH_BYZANTINE_SECONDS:-20}
behind=${BENCH_BEHIND:-2000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

quorum='{ at-least = 3, of = ["v1", "v2", "v3", "v4"] }'
acceptors=$'version = 1\n[acceptors.v1]\n[acceptors.v2]\n[acceptors.v3]\n[acceptors.v4]'
fast=$'[config.consensus]\nslot_ms_min = 0\nidle_slot_ms = 0'

# One chain, slots one after another, as fast as they go.
cat > "$folder/one.toml" <<END
$acceptors
[learners.red]
quorum = $quorum
END
# Two chains with the same quorums, which three sends serve.
cat > "$folder/two.toml" <<END
$acceptors
[learners.red]
quorum = $quorum
[learners.blue]
quorum = $quorum
[[edges]]
between = ["red", "blue"]
safe = "overlap"
[logs."red+blue"]
learners = ["red", "blue"]
END
printf 'version = 1\ngraph = "one.toml"\n%s\n' "$fast" > "$folder/slots.toml"
printf 'version = 1\ngraph = "two.toml"\n[config.consensus]\nslot_ms_min = 0\n' > "$folder/bundles.toml"
# A slot every 20 ms, most of them empty.
printf 'version = 1\ngraph = "one.toml"\n[config.consensus]\nslot_ms_min = 0\nidle_slot_ms = 20\n' > "$folder/idle.toml"

run() { # NAME TOPOLOGY ARGUMENTS...
    local name=$1 topology=$2
    shift 2
    "$programs/hpaxos-testnet" up --folder "$folder/$name" --topology "$folder/$topology" --direct --no-story --json \
        "$@" > "$folder/$name.json" 2> "$folder/$name.log" || { cat "$folder/$name.log" >&2; exit 1; }
    rm -rf "${folder:?}/$name"
}

# Writes down the memory of all nodes and how far they are, until the folder is gone.
watch_nodes() { # NAME
    python3 - "$folder/$1" > "$folder/$1.memory" <<'END'
import json, os, sys, time, urllib.request
file = os.path.join(sys.argv[1], "network.json")
while not os.path.exists(file):
    time.sleep(0.1)
while True:
    time.sleep(2)
    try:
        with open(file) as text:
            nodes = json.load(text)["validators"]
        rss = []
        for node in nodes:
            with open(f"/proc/{node['pid']}/status") as status:
                rss += [int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")]
        with urllib.request.urlopen(f"http://{nodes[0]['api']}/v1/logs", timeout=2) as answer:
            logs = json.load(answer)["logs"]
        decided = max(learner["decided"] for log in logs.values() for learner in log["learners"].values())
        print(decided, max(rss), flush=True)
    except (OSError, KeyError, ValueError):
        if not os.path.exists(file):
            break
END
}

echo "slots as fast as they go, one chain, $slots_seconds s ..." >&2
watch_nodes slots &
run slots slots.toml --for "${slots_seconds}s"
wait
# One of four is Byzantine, from the first second on.
for behaviour in none equivocate withhold spam; do
    echo "40 bundles a second over two chains, traitor: $behaviour, $byzantine_seconds s ..." >&2
    run "traitor-$behaviour" bundles.toml --for "${byzantine_seconds}s" --load 40/s &
    if [ "$behaviour" != none ]; then
        until "$programs/hpaxos-testnet" byzantine v4 "$behaviour" --folder "$folder/traitor-$behaviour" > /dev/null 2>&1; do
            kill -0 $! || exit 1
            sleep 0.1
        done
    fi
    wait $!
done

echo "a node misses $behind slots of 20 ms ..." >&2
height() { # NODE
    local api
    api=$("$programs/hpaxos-testnet" api "$1" --folder "$folder/away")
    curl -sf "$api/v1/logs" | python3 -c 'import json, sys; print(json.load(sys.stdin)["logs"]["red"]["learners"]["red"]["height"])'
}
"$programs/hpaxos-testnet" up --folder "$folder/away" --topology "$folder/idle.toml" --direct --no-story > "$folder/away.log" 2>&1 &
until "$programs/hpaxos-testnet" kill v4 --folder "$folder/away" > /dev/null 2>&1; do
    kill -0 $! || { cat "$folder/away.log" >&2; exit 1; }
    sleep 0.1
done
until [ "$(height v1)" -ge "$behind" ]; do sleep 1; done
"$programs/hpaxos-testnet" restart v4 --folder "$folder/away" > /dev/null
until grep -q "caught up" "$folder/away/logs/v4.log"; do sleep 0.2; done
cp "$folder/away/logs/v4.log" "$folder/away.caught-up"
"$programs/hpaxos-testnet" down --folder "$folder/away" > /dev/null
wait $!

python3 - "$folder" <<'END'
import json, os, re, sys

traitors = ["traitor-none", "traitor-equivocate", "traitor-withhold", "traitor-spam"]
for name in ["slots", *traitors]:
    with open(os.path.join(sys.argv[1], name + ".json")) as file:
        answer = json.load(file)
    figures = answer["figures"]
    decided = sum(max(learners.values()) for learners in figures["decisions"].values())
    bundles, commit = figures["bundles"], figures["commit_ms"]
    print(f"\n{name}: {answer['verdict']}, {figures['seconds']:.0f} s")
    print(f"  decisions        {decided}, {decided / figures['seconds']:.1f} a second")
    print(f"  memory           {max(figures['rss_mb'].values()):.0f} MB at most")
    if name == "slots":
        with open(os.path.join(sys.argv[1], "slots.memory")) as file:
            seen = [tuple(map(float, line.split())) for line in file]
        late = [(decided, rss) for decided, rss in seen if decided >= 10_000]
        if len(late) > 2:
            # Least squares.
            x, y = sum(one[0] for one in late) / len(late), sum(one[1] for one in late) / len(late)
            slope = sum((a - x) * (b - y) for a, b in late) / sum((a - x) ** 2 for a, _ in late)
            print(f"  memory           {late[0][1]:.0f} MB after {late[0][0]:.0f} decisions, {late[-1][1]:.0f} MB after "
                  f"{late[-1][0]:.0f}: {slope * 1e4:.2f} MB per 10,000")
    if bundles["committed"]:
        print(f"  bundles          {bundles}, {bundles['committed'] / figures['seconds']:.1f} committed a second")
        print(f"  commit           p50 {commit['p50']} ms, p90 {commit['p90']} ms, p99 {commit['p99']} ms")

with open(os.path.join(sys.argv[1], "away.caught-up")) as file:
    log = re.sub("\x1b\\[[0-9;]*m", "", file.read())
left = max(int(left) for left in re.findall(r"catching up .*left=(\d+)", log))
took = sum(float(seconds) for seconds in re.findall(r"caught up, .*seconds=([\d.]+)", log))
print(f"\naway: {left} slots behind, caught up in {took:.2f} s: {left / took:.0f} slots a second")
END
