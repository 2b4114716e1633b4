#!/usr/bin/env bash
# Checks for what the build needs: Rust, a C++ compiler, and libclang for RocksDB's bindings. Installs what is missing
# with the system's package manager where that is allowed; else says exactly what to install. With `--clocks` also
# libfaketime, by which the nemesis lets clocks jump; where it cannot be installed, they do not.
set -euo pipefail

if ! command -v cargo >/dev/null; then
    echo "setup: Rust is missing. Install it from https://rustup.rs and run this again." >&2
    exit 1
fi

has_libclang() {
    # What clang-sys looks for: LIBCLANG_PATH, llvm-config, the linker's and the usual folders.
    local folder
    for folder in ${LIBCLANG_PATH:-} "$(llvm-config --libdir 2>/dev/null)" /usr/lib/llvm*/lib /usr/lib/*-linux-gnu \
        /usr/lib64 /usr/lib64/llvm*/lib /usr/lib /usr/local/lib \
        /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib /Library/Developer/CommandLineTools/usr/lib; do
        if compgen -G "$folder/libclang.so*" >/dev/null || compgen -G "$folder/libclang-[0-9]*.so*" >/dev/null ||
            [ -e "$folder/libclang.dylib" ]; then
            return 0
        fi
    done
    return 1
}

missing=()
command -v c++ >/dev/null || missing+=(g++)
has_libclang || missing+=(libclang-dev)
required=${#missing[@]}
if [ "${1:-}" = --clocks ] && ! compgen -G "/usr/lib*/*/faketime/libfaketimeMT.so.1" >/dev/null &&
    ! compgen -G "/usr/lib*/faketime/libfaketimeMT.so.1" >/dev/null; then
    missing+=(libfaketime)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
    echo "setup: installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
[ "$required" -eq 0 ] && exit 0

{
    echo "setup: RocksDB's build needs ${missing[*]}, and this script may not install packages here. Run one of:"
    echo "  Debian, Ubuntu:  sudo apt-get install ${missing[*]}"
    echo "  Fedora:          sudo dnf install gcc-c++ clang-devel"
    echo "  Arch:            sudo pacman -S gcc clang"
    echo "  macOS:           xcode-select --install && brew install llvm"
} >&2
exit 1
