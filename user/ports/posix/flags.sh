# What a port is compiled and linked with; for sh, with $root set. What is compiled gets
# -include user/ports/posix/posix.h besides.

posix=$root/user/ports/posix
posix_target='--target=wasm32-wasi --sysroot=/usr'
posix_flags="$posix_target -O2 -D_GNU_SOURCE -I$posix/include \
    -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID \
    -mllvm -wasm-enable-sjlj -mexception-handling"
posix_link="$posix_target -Wl,--strip-debug -Wl,--gc-sections -Wl,-z,stack-size=262144 \
    -Wl,--wrap=stat,--wrap=lstat,--wrap=fstat,--wrap=fstatat,--wrap=utimensat,--wrap=futimens \
    -Wl,--wrap=close,--wrap=dup2,--wrap=exit,--wrap=_exit,--wrap=write,--wrap=writev"
posix_libraries='-lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-getpid -lm'

# Compiles the layer itself into folder $1.
posix_build() {
    for file in "$posix"/*.c; do
        clang-19 $posix_flags -std=gnu23 -Wall -Wextra -Werror -I"$root" -c "$file" \
            -o "$1/$(basename "$file").o"
    done
}
