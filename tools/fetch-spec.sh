#!/bin/sh
# Finds the specification's scripts, as JSON with .wasm files beside it, and prints the folder that
# holds them. In this order: what the variable SPEC names; spec/spec-tests.tar.xz in the folder that
# KWAST_DATA names (../shared); Debian's package golang-github-tetratelabs-wazero-dev of the suite
# unstable, which carries the scripts of WebAssembly 2.0. Exit status 1, and why, when none can be had.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${SPEC:-}" ]; then
    echo "$SPEC"
    exit 0
fi

target=$PWD/build/spec-scripts
if [ ! -d "$target" ]; then
    data=${KWAST_DATA:-../shared}/spec/spec-tests.tar.xz
    part=$PWD/build/.spec-scripts
    rm -rf "$part"
    mkdir -p "$part"
    if [ -r "$data" ]; then
        tar -C "$part" -xf "$data" 2.0
        mv "$part/2.0" "$target"
    else
        . tools/own_apt.sh
        package=golang-github-tetratelabs-wazero-dev
        if ! own_apt_prepare unstable deb unstable ||
            ! own_apt unstable apt-get install --download-only --no-install-recommends -y \
                -o Debug::NoLocking=1 -o Dir::State::status=/dev/null "$package" >/dev/null; then
            rm -rf "$part"
            echo "the scripts are not here and Debian's package $package cannot be fetched" >&2
            exit 1
        fi
        dpkg -x build/apt/unstable/cache/archives/"$package"_*.deb "$part"
        found=$(find "$part" -type d -path '*/spectest/v2/testdata' | head -n 1)
        [ -n "$found" ] || {
            echo "Debian's package $package no longer holds the scripts" >&2
            exit 1
        }
        mv "$found" "$target"
    fi
    rm -rf "$part"
fi
echo "$target"
