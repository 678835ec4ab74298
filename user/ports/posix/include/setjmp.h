#pragma once
// Ways back out of functions, by WebAssembly's exceptions (user/ports/posix/jump.c). What calls
// setjmp is compiled with `-mllvm -wasm-enable-sjlj -mexception-handling`.

typedef struct {
    void *call; // of the function that called setjmp
    unsigned label;
    struct {
        void *buffer;
        int value;
    } jump;
} jmp_buf[1];
typedef jmp_buf sigjmp_buf;

int setjmp(jmp_buf buffer) __attribute__((returns_twice));
__attribute__((noreturn)) void longjmp(jmp_buf buffer, int value);
#define sigsetjmp(buffer, mask) setjmp(buffer) // no signal is ever blocked
#define siglongjmp              longjmp
