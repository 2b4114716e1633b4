#!/usr/bin/env bash
# Runs the README's session with a testnet, as it stands there, in a temporary folder, and says how long each command takes.
# Fails if a command fails, if it prints something else than the README says (where `…` stands for anything), or if all
# together take more than five minutes.
#
#   scripts/readme-session.sh [FOLDER]     the folder with the programs; else that of the dev profile
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
programs=${1:-${CARGO_TARGET_DIR:-$root/target}/debug}
seconds_max=300

for program in hpaxos hpaxos-testnet; do
    if [ ! -x "$programs/$program" ]; then
        echo "readme-session: there is no $programs/$program; \`cargo build --workspace --bins\` builds it" >&2
        exit 2
    fi
done
PATH=$(cd "$programs" && pwd):$PATH
export PATH

# Whether a text is what the README says.
is_said() {
    local rest=$1 said=$2 piece
    [[ $said == *…* ]] || { [[ $rest == "$said" ]]; return; }
    piece=${said%%…*}
    [[ $rest == "$piece"* ]] || return 1
    while rest=${rest#*"$piece"} said=${said#*…} && [[ $said == *…* ]]; do
        piece=${said%%…*}
        [[ $rest == *"$piece"* ]] || return 1
    done
    [[ $rest == *"$said" ]]
}

# Runs the command in this shell, since the next ones need its variables.
run() {
    local command=$1 said=$2 started=$SECONDS code=0 printed
    eval "$command" >"$work/printed" 2>&1 </dev/null || code=$?
    printf '%4d s  %s\n' $((SECONDS - started)) "${command//$'\n'/$'\n'        }"
    printed=$(sed 's/[[:space:]]*$//' "$work/printed")
    if [ "$code" -ne 0 ]; then
        printf 'readme-session: this ended with %d:\n%s\n' "$code" "$printed" >&2
        exit 1
    fi
    if [ -n "$said" ] && ! is_said "$printed" "$said"; then
        printf 'readme-session: this printed\n%s\nand the README says\n%s\n' "$printed" "$said" >&2
        exit 1
    fi
}

session() {
    local line command='' said='' more=false
    while IFS= read -r line; do
        if $more; then
            command+=$'\n'$line
        elif [[ $line == '$ '* ]]; then
            [ -z "$command" ] || run "$command" "$said"
            command=${line#'$ '} said=''
        else
            said+=${said:+$'\n'}$line
            continue
        fi
        if [[ $line == *\\ ]]; then more=true; else more=false; fi
    done <"$work/session"
    [ -n "$command" ] || { echo "readme-session: README.md has no session" >&2; exit 2; }
    run "$command" "$said"
}

work=$(mktemp -d)
export TMPDIR=$work
awk '/^```/ { on = ($0 == "```console testnet"); next } on' "$root/README.md" >"$work/session"

# A process group of its own, so that all of it can be ended.
set -m
(cd "$work" && session) &
running=$!
set +m

# Ends whatever a session that failed has left running.
# shellcheck disable=SC2329
clean_up() {
    kill -TERM -- "-$running" 2>/dev/null || true
    find "$work" -name .testnet -type d -exec hpaxos-testnet down --folder {} \; >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

started=$SECONDS
while kill -0 "$running" 2>/dev/null; do
    if [ $((SECONDS - started)) -ge $seconds_max ]; then
        echo "readme-session: it takes more than $seconds_max s" >&2
        exit 1
    fi
    sleep 0.2
done
wait "$running"
echo "$((SECONDS - started)) s in all"
