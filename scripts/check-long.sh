#!/usr/bin/env bash
# Explores what spec/check-long.txt lists, one after the other, and reports. What was explored to the end before by the same program
# is not explored again, so that a run that was broken off goes on where it was.
#
#   scripts/check-long.sh PROGRAM [NAME …]      by default all
#
# Each has CHECK_SECONDS (default an hour) and CHECK_MEMORY (MB, default four fifths of what is free): the report says of what was
# not complete by then how far it came.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
shift
folder=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpaxos}/check-long/$(sha256sum "$program" | cut -c1-16)
mkdir -p "$folder"
memory=${CHECK_MEMORY:-$(awk '/^MemAvailable/ { print int($2 / 1024 * 0.8) }' /proc/meminfo)}

failed=0
while read -r name arguments; do
    [[ -z $name || $name == \#* ]] && continue
    [[ $# -gt 0 && ! " $* " == *" $name "* ]] && continue
    if [ ! -f "$folder/$name.json" ]; then
        echo "$name: $arguments" >&2
        code=0
        # Words of a list that is ours.
        # shellcheck disable=SC2086
        "$program" check $arguments --json --seconds "${CHECK_SECONDS:-3600}" --memory "$memory" >"$folder/$name.tmp" || code=$?
        if [ "$code" -eq 0 ]; then
            mv "$folder/$name.tmp" "$folder/$name.json"
            rm -f "$folder/$name.part"
        elif [ "$code" -eq 2 ] && [ -s "$folder/$name.tmp" ]; then
            mv "$folder/$name.tmp" "$folder/$name.part"
        else
            cat "$folder/$name.tmp"
            rm -f "$folder/$name.part"
            echo "$name: exit code $code" >&2
            failed=1
        fi
    fi
done <spec/check-long.txt

python3 - "$folder" <<'PYTHON'
import json, pathlib, sys

total = complete = 0
print("| what | complete | states | generated | depth | seconds | MB |\n|---|---|---|---|---|---|---|")
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    text = path.read_text()
    if path.suffix not in (".json", ".part") or not text:
        continue
    answer = json.loads(text)
    total += answer["states"]
    complete += answer["states"] if answer["complete"] else 0
    print(f"| {path.stem} | {'yes' if answer['complete'] else 'no'} | {answer['states']:,} | {answer['generated']:,} "
          f"| {answer['depth']} | {answer['seconds']:.1f} | {answer['rss_mb']:,} |")
print(f"\n{total:,} different states, {complete:,} of them where all was explored")
PYTHON
exit "$failed"
