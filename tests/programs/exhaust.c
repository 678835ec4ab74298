// Takes all the memory that it may have, and uses it until the machine has none left.
//
//   exhaust touch    writes to every page itself: it is to end with the trap "out of memory"
//   exhaust copy     has the system write there, which is to fail with ENOMEM and change nothing

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define PAGE 65536u

// As much memory as is granted; returns its first byte and sets the end.
static uint32_t take_all(uint32_t *end) {
    uint32_t start = __builtin_wasm_memory_size(0) * PAGE;
    for (uint32_t step = 1024; step != 0;) {
        if (__builtin_wasm_memory_grow(0, step) == SIZE_MAX)
            step /= 2;
    }
    *end = (uint32_t)__builtin_wasm_memory_size(0) * PAGE;
    return start;
}

static int touch(uint32_t start, uint32_t end) {
    for (uint32_t at = start; at < end; at += 4096)
        *(volatile uint32_t *)(uintptr_t)at = at;
    printf("there was enough\n");
    return 1;
}

static int copy(uint32_t start, uint32_t end) {
    for (uint32_t at = start; at < end; at += PAGE) {
        __wasi_errno_t error = __wasi_random_get((uint8_t *)(uintptr_t)at, PAGE);
        if (error != __WASI_ERRNO_SUCCESS) {
            printf("refused: %s\n", strerror(error));
            return 0;
        }
    }
    printf("there was enough\n");
    return 1;
}

int main(int argc, char **argv) {
    uint32_t end;
    printf("taking all\n"); // and the buffer is there for later
    fflush(stdout);
    uint32_t start = take_all(&end);
    return argc > 1 && strcmp(argv[1], "copy") == 0 ? copy(start, end) : touch(start, end);
}
