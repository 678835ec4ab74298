#!/bin/sh
# Builds a program from its Debian source into WebAssembly: build.sh NAME OUT.wasm
#
# The sources are unchanged; what POSIX has and WASI has not is in posix.h and posix.c beside this.
# A program whose source cannot be had is left out: OUT.wasm becomes an empty file, and the tests that
# want it report themselves as skipped.
set -eu

name=$1
out=$(realpath -m "$2")
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../../..")
work=$root/build/programs/.build-$name
package=$name
[ "$name" = minigzip ] && package=zlib

if ! "$root/tools/fetch-source.sh" "$package"; then
    echo "kwast: $name: left out; its tests will be skipped" >&2
    : >"$out"
    exit 0
fi
source=$root/build/sources/$package

target='--target=wasm32-wasi --sysroot=/usr'
emulated='-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID'
libraries='-lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-getpid -lm'
compile="clang-19 $target -O2 -w $emulated -I$here/include -include $here/posix.h"

# Compiles the sources named in $2... with the flags in $1, then links.
build() {
    flags=$1
    shift
    objects=
    for file in "$@" "$here/posix.c"; do
        object=$work/$(basename "$file" .c).o
        $compile $flags -c "$file" -o "$object"
        objects="$objects $object"
    done
    clang-19 $target -Wl,--strip-debug -Wl,-z,stack-size=1048576 $objects $libraries -o "$out"
}

build_jq() {
    cd "$source/src"
    mkdir "$work/src"
    printf '#define JQ_VERSION "1.6"\n' >"$work/src/version.h"
    # The builtins as a C string, as jq's own makefile makes it.
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/\\n"/' builtin.jq >"$work/src/builtin.inc"
    has=
    for function in ISATTY TIMEGM GMTIME_R LOCALTIME_R GMTIME STRFTIME MKTIME EXP10 FLOOR SQRT POW \
        LOG LOG10 LOG2 EXP EXP2 SIN COS TAN ATAN ATAN2 CEIL ROUND TRUNC FABS FMOD FREXP MODF LDEXP \
        MEMMEM MKSTEMP; do
        has="$has -DHAVE_$function=1"
    done
    build "-I$work -I$work/src -I. -I.. -DIEEE_8087=1 -D_GNU_SOURCE=1 $has" main.c execute.c bytecode.c \
        compile.c jv.c jv_alloc.c jv_aux.c jv_dtoa.c jv_file.c jv_parse.c jv_print.c jv_unicode.c \
        linker.c locfile.c util.c lexer.c parser.c builtin.c jq_test.c
}

build_minigzip() {
    cd "$source"
    build "-I. -DHAVE_UNISTD_H=1" adler32.c crc32.c deflate.c infback.c inffast.c inflate.c \
        inftrees.c trees.c zutil.c compress.c uncompr.c gzclose.c gzlib.c gzread.c gzwrite.c \
        test/minigzip.c
}

build_sqlite3() {
    # The one-file form of the library and the shell, as upstream's makefile makes them.
    mkdir -p "$work/tree"
    (cd "$work/tree" && CC=clang-19 "$source/configure" --disable-tcl --disable-readline >/dev/null &&
        make -s sqlite3.c shell.c sqlite3.h >/dev/null 2>&1)
    cd "$work/tree"
    build "-I. -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_NOHAVE_SYSTEM \
        -DSQLITE_OMIT_POPEN -DSQLITE_OMIT_WAL -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE \
        -DSQLITE_ENABLE_MATH_FUNCTIONS -DHAVE_READLINE=0" shell.c sqlite3.c
}

rm -rf "$work"
mkdir -p "$work"
"build_$name"
rm -rf "$work"
