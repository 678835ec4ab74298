#!/bin/sh
# Builds libvterm from its Debian source: build.sh OUT.a [COMPILER FLAGS...]
#
# The sources are unchanged. Without flags it is WebAssembly, made small, for it is compiled where it
# runs. The headers are put into include/ beside OUT.a. When the source cannot be had, there are no
# headers and the archive is empty: the console is built without a screen.
set -eu

out=$(realpath -m "$1")
shift
root=$(realpath "$(dirname "$0")/../../..")
folder=$(dirname "$out")

rm -rf "$out" "$folder/include"
mkdir -p "$folder/include"
if ! "$root/tools/fetch-source.sh" libvterm; then
    echo "kwast: libvterm: left out, and with it the terminal on the screen" >&2
    llvm-ar-19 rcs "$out"
    exit 0
fi

[ $# -gt 0 ] || set -- --target=wasm32-wasi --sysroot=/usr -Oz
source=$root/build/sources/libvterm
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for file in "$source"/src/*.c; do
    clang-19 "$@" -std=gnu17 -w -I"$source/include" -c "$file" -o "$objects/$(basename "$file" .c).o"
done
llvm-ar-19 rcs "$out" "$objects"/*.o
cp "$source"/include/*.h "$folder/include"
