// Grows its memory by single pages, then by large steps, until that is refused; what was there
// stays, what is new reads as zeros, and a refusal changes nothing.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 65536u

static int page_is_zero(uint32_t page) {
    const volatile uint32_t *words = (const volatile uint32_t *)(uintptr_t)(page * PAGE);
    for (uint32_t i = 0; i < PAGE / 4; i += 257) {
        if (words[i] != 0)
            return 0;
    }
    return words[PAGE / 4 - 1] == 0;
}

static uint32_t size(void) {
    return __builtin_wasm_memory_size(0);
}

int main(void) {
    uint32_t first = size();
    int wrong = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t before = __builtin_wasm_memory_grow(0, 1);
        wrong |= before != first + (uint32_t)i || !page_is_zero(before);
        *(volatile uint32_t *)(uintptr_t)(before * PAGE + PAGE - 4) = before;
    }
    for (uint32_t page = first; page < first + 100; page++)
        wrong |= *(volatile uint32_t *)(uintptr_t)(page * PAGE + PAGE - 4) != page;
    printf("by pages: %s\n", wrong ? "WRONG" : "fine");

    uint32_t step = 256; // 16 MiB
    uint32_t grown = 0;
    while (grown < 65536) {
        uint32_t before = __builtin_wasm_memory_grow(0, step);
        if (before == UINT32_MAX)
            break;
        wrong |= !page_is_zero(before) || !page_is_zero(before + step - 1);
        grown += step;
    }
    uint32_t at_limit = size();
    wrong |= __builtin_wasm_memory_grow(0, 65536) != UINT32_MAX || size() != at_limit;
    wrong |= __builtin_wasm_memory_grow(0, 0) != at_limit;
    printf("limit: %u MiB, %s\n", at_limit / 256 * 16, wrong ? "WRONG" : "fine");
    return wrong;
}
