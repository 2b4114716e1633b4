#!/usr/bin/env bash
# Explores what spec/check-long.txt lists, one after the other, and reports. What was explored before by the same program is not
# explored again, so that a run that was broken off goes on where it was.
#
#   scripts/check-long.sh PROGRAM [NAME …]      by default all
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
shift
folder=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpaxos}/check-long/$(sha256sum "$program" | cut -c1-16)
mkdir -p "$folder"

violated=0
while read -r name arguments; do
    [[ -z $name || $name == \#* ]] && continue
    [[ $# -gt 0 && ! " $* " == *" $name "* ]] && continue
    if [ ! -f "$folder/$name.json" ]; then
        echo "$name: $arguments" >&2
        # Words of a list that is ours.
        # shellcheck disable=SC2086
        if timeout --foreground "${CHECK_SECONDS:-3600}" "$program" check $arguments --json >"$folder/$name.part"; then
            mv "$folder/$name.part" "$folder/$name.json"
        else
            code=$?
            if [ "$code" -eq 1 ]; then
                cat "$folder/$name.part"
                violated=1
            fi
            echo "$name: not complete (exit code $code)" >&2
        fi
    fi
done <spec/check-long.txt

python3 - "$folder" <<'PYTHON'
import json, pathlib, sys

total = 0
print("| what | states | generated | depth | seconds | MB |\n|---|---|---|---|---|---|")
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    answer = json.loads(path.read_text())
    total += answer["states"]
    print(f"| {path.stem} | {answer['states']:,} | {answer['generated']:,} | {answer['depth']} "
          f"| {answer['seconds']:.1f} | {answer['rss_mb']:,} |")
print(f"\n{total:,} different states in all")
PYTHON
exit "$violated"
