#!/usr/bin/env bash
# Packs the programs of a folder, with what belongs to them, into dist/hpaxos-VERSION-TARGET.tar.gz, and its SHA-256 beside it.
# The same programs at the same commit give the same bytes: names are sorted, and times are the commit's, or SOURCE_DATE_EPOCH.
#
#   scripts/archive.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

programs=${1:?the folder with the programs}
tar=$(command -v gtar || command -v tar)
if ! "$tar" --version | grep -q GNU; then
    echo "archive: this needs GNU tar; on macOS \`brew install gnu-tar\` has it" >&2
    exit 1
fi
version=$("$programs/hpaxos" --version | cut -d ' ' -f 2)
target=$(rustc -vV | sed -n 's/^host: //p')
name=hpaxos-$version-$target
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/$name/docs" "$folder/$name/packaging" dist
for program in hpaxos hpaxos-testnet hpaxos-spec; do
    install -m 755 "$programs/$program" "$folder/$name/"
done
for file in README.md LICENSE-APACHE LICENSE-MIT docs/operator.md packaging/hpaxos.service; do
    install -m 644 "$file" "$folder/$name/$file"
done
chmod 755 "$folder/$name" "$folder/$name/docs" "$folder/$name/packaging"

export LC_ALL=C
"$tar" --create --directory "$folder" --format ustar --sort name --mtime "@$when" \
    --owner 0 --group 0 --numeric-owner "$name" | gzip --no-name --best >"dist/$name.tar.gz"
cd dist
if command -v sha256sum >/dev/null; then
    sha256sum "$name.tar.gz" >"$name.tar.gz.sha256"
else
    shasum --algorithm 256 "$name.tar.gz" >"$name.tar.gz.sha256"
fi
echo "dist/$name.tar.gz"
