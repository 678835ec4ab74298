#!/bin/sh
# Installs, by Debian package name, what the build or the tests need and the machine lacks.
#   tools/deps.sh build|run|test|bochs|bench
# Says first what is missing and why. Uses sudo when not root; refuses with the list otherwise.
set -eu

packages_build='
clang-19|the compiler
lld-19|the linker
llvm-19|object tools
python3|build scripts
libcjson-dev|reading specification scripts
fonts-spleen|the console font
wasi-libc|C programs for the demonstration
libclang-rt-19-dev-wasm32|compiler support for WebAssembly
libc++-19-dev-wasm32|C++ programs for the demonstration
libc++abi-19-dev-wasm32|C++ programs for the demonstration
rustc|Rust programs for the demonstration
libstd-rust-dev-wasm32|Rust programs for the demonstration
lld-14|the linker of rustc
'
packages_run='
qemu-system-x86|the machine that Kwast boots on
grub-pc-bin|the ISO for BIOS machines
grub-efi-amd64-bin|the ISO for UEFI machines
grub-common|making the ISO
xorriso|making the ISO
mtools|making the ISO
dpkg-dev|unpacking the Debian sources of the utilities
'
packages_test='
libclang-rt-19-dev|sanitizers for the unit tests
libcmocka-dev|unit tests
python3-pytest|tests of whole machines
wabt|test modules from text
binaryen|random test modules
nodejs|the engine that results are compared with
ovmf|UEFI firmware
spin|the model of calls between processes
gdb|whether it finds compiled functions
tcl|the one-file source of SQLite
clang-format-19|the format check
clang-tidy-19|the lint
'
packages_bochs='
bochs|a machine with PCID and a TSC-deadline timer
bochs-term|its screen
bochsbios|its firmware
vgabios|likewise
'
packages_bench='
wabt|wasm2c, which programs are compared with
nodejs|an engine that programs are compared with
npm|older and newer versions of it
tcl|the one-file source of SQLite
dpkg-dev|unpacking Debian source packages
'
case ${1:-} in
build) list=$packages_build ;;
run) list=$packages_build$packages_run ;;
test) list=$packages_build$packages_run$packages_test ;;
bochs) list=$packages_build$packages_run$packages_bochs ;;
bench) list=$packages_build$packages_bench ;;
*)
    echo "usage: tools/deps.sh build|run|test|bochs|bench" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "kwast: this is not a Debian system; please install the counterparts of:" >&2
    echo "$list" | sed -n 's/^\([^|]*\)|\(.*\)/  \1 (\2)/p' >&2
    exit 1
fi

# One at a time: make -j comes here from several rules, and apt-get does not wait for another.
mkdir -p build
exec 9>build/.deps.lock
flock 9

missing=
while IFS='|' read -r name why; do
    [ -n "$name" ] || continue
    # A node or npm from elsewhere serves as well as Debian's.
    [ "$name" = nodejs ] && command -v node >/dev/null && continue
    [ "$name" = npm ] && command -v npm >/dev/null && continue
    state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
    if [ "$state" != installed ]; then
        [ -n "$missing" ] || echo "Kwast needs some Debian packages that are not installed:"
        echo "  $name: $why"
        missing="$missing $name"
    fi
done <<EOF
$list
EOF
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=sudo
elif command -v sudo >/dev/null && [ -t 0 ]; then
    as_root=sudo
else
    echo "kwast: not root and no way to become it; install them with: apt-get install$missing" >&2
    exit 1
fi
echo "Installing them now."
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
if ! $as_root apt-get install -y -qq --no-install-recommends $missing >build/apt.log 2>&1; then
    cat build/apt.log >&2
    echo "kwast: apt-get could not install:$missing" >&2
    exit 1
fi
