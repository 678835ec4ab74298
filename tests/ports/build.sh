#!/bin/sh
# Builds the test of the POSIX layer: build.sh OUT.wasm SDK.a
set -eu

out=$1
sdk=$2
root=$(realpath "$(dirname "$0")/../..")
. "$root/user/ports/posix/flags.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
posix_build "$work"
clang-19 $posix_flags -std=gnu23 -Wall -Wextra -Werror -include "$posix/posix.h" \
    -c "$root/tests/ports/posix.c" -o "$work/test.o"
clang-19 $posix_link "$work"/*.o "$sdk" $posix_libraries -o "$out"
