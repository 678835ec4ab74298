#!/bin/sh
# Finds the specification's scripts, as JSON with .wasm files beside it, and prints the folders that
# hold them, one suite a line. They come from
#   - what the variable SPEC names: a suite, or a folder of suites; then nothing else is looked for;
#   - spec/spec-tests.tar.xz in the folder that KWAST_DATA names (../shared): 2.0, 3.0, threads and the
#     older form of exceptions;
#   - Debian's package golang-github-tetratelabs-wazero-dev of the suite unstable, which carries 1.0,
#     2.0 and some proposals as they were before they became a part of 3.0.
# No package carries 3.0. Exit status 1, and why, when there are no scripts at all.
set -eu
cd "$(dirname "$0")/.."

list_suites() {
    if [ -d "$1/1.0" ] || [ -d "$1/2.0" ] || [ -d "$1/3.0" ]; then
        for suite in "$1"/*/; do
            echo "${suite%/}"
        done
    else
        echo "$1"
    fi
}

if [ -n "${SPEC:-}" ]; then
    list_suites "$SPEC"
    exit 0
fi

target=$PWD/build/spec-scripts
part=$PWD/build/.spec-scripts
package=golang-github-tetratelabs-wazero-dev
mkdir -p "$target"
rm -rf "$part"
mkdir -p "$part"
trap 'rm -rf "$part"' EXIT

# The first name is the suite's, the second the package's.
package_suites='1.0:v1 2.0:v2 extended-const:extended-const tail-call:tail-call
    exceptions:exception-handling atomics:threads'

fetch_package() {
    . tools/own_apt.sh
    own_apt_prepare unstable deb unstable || return 1
    own_apt unstable apt-get install --download-only --no-install-recommends -y \
        -o Debug::NoLocking=1 -o Dir::State::status=/dev/null "$package" >/dev/null || return 1
    dpkg -x build/apt/unstable/cache/archives/"$package"_*.deb "$part"
}

take_from_package() {
    for pair in $package_suites; do
        suite=${pair%%:*}
        found=$(find "$part" -type d -path "*/spectest/${pair#*:}/testdata" | head -n 1)
        if [ ! -d "$target/$suite" ] && [ -n "$found" ]; then
            mv "$found" "$target/$suite"
        fi
    done
}

data=${KWAST_DATA:-../shared}/spec/spec-tests.tar.xz
if [ -r "$data" ] && [ ! -d "$target/3.0" ]; then
    tar -C "$part" -xf "$data"
    for suite in 2.0 3.0 threads legacy-eh; do
        rm -rf "${target:?}/$suite"
        mv "$part/$suite" "$target/$suite"
    done
fi
if [ ! -d "$target/1.0" ]; then
    if fetch_package; then
        take_from_package
    else
        echo "spec: Debian's package $package cannot be fetched" >&2
    fi
fi
for suite in 1.0 2.0 3.0 threads legacy-eh; do
    [ -d "$target/$suite" ] ||
        echo "spec: SKIPPED: $suite, which is not here; scripts of github.com/WebAssembly/spec" \
            "converted by \`wasm-tools json-from-wast\` can be named with SPEC=FOLDER" >&2
done
if [ -z "$(ls "$target")" ]; then
    echo "spec: there are no scripts" >&2
    exit 1
fi
list_suites "$target"
