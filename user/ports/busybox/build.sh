#!/bin/sh
# Builds busybox from its Debian source into WebAssembly: build.sh OUT.wasm SDK.a
#
# The sources are unchanged; what POSIX has and WASI has not is in user/ports/posix. Beside the module,
# OUT.applets names what it can be called. When the source cannot be had, both become empty files, and
# the system is built without its utilities.
set -eu

out=$(realpath -m "$1")
sdk=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../../..")
work=$root/build/ports/busybox
. "$root/user/ports/posix/flags.sh"

if ! "$root/tools/fetch-source.sh" busybox; then
    echo "kwast: busybox: left out, and with it the utilities" >&2
    : >"$out"
    : >"${out%.wasm}.applets"
    exit 0
fi

rm -rf "$work"
mkdir -p "$work/obj"
cp -r "$root/build/sources/busybox" "$work/source"
cd "$work/source"

# Configure, and make the headers that are made.
export KCONFIG_NOTIMESTAMP=1 # the same source is the same module
make HOSTCC=clang-19 allnoconfig >"$work/log" 2>&1
sed -n '/^[A-Z]/p' "$here/config" | while IFS='=' read -r option value; do
    sed -i "s/^# CONFIG_$option is not set/CONFIG_$option=y/; s/^CONFIG_$option=.*/CONFIG_$option=${value:-y}/" .config
done
sed -i -e 's/^CONFIG_SH_IS_ASH=y/# CONFIG_SH_IS_ASH is not set/' \
    -e 's/^# CONFIG_SH_IS_NONE is not set/CONFIG_SH_IS_NONE=y/' .config
yes '' | make HOSTCC=clang-19 oldconfig >>"$work/log" 2>&1
make HOSTCC=clang-19 prepare >>"$work/log" 2>&1 || {
    tail "$work/log" >&2
    exit 1
}

posix_build "$work"
python3 "$here/sources.py" >"$work/sources"
xargs -P "$(nproc)" -I FILE sh -c '
    clang-19 '"$posix_flags"' -std=gnu17 -w -DNDEBUG -include "'"$posix"'/posix.h" -Iinclude -Ilibbb \
        -include include/autoconf.h -DBB_VER=\"1\" -c FILE -o "'"$work"'/obj/$(echo FILE | tr / _).o"' \
    <"$work/sources"
llvm-ar-19 rcs "$work/busybox.a" "$work"/obj/*.o
clang-19 $posix_link "$work/obj/libbb_appletlib.c.o" "$work"/*.c.o "$work/busybox.a" "$sdk" \
    $posix_libraries -o "$out"
sed -n 's/^"\([^"]*\)" "\\0"$/\1/p' include/applet_tables.h >"${out%.wasm}.applets"
rm -rf "$work/source" "$work/obj"
