#pragma once
// For the assembler's tests: a list of instructions, one per line, as "bytes<TAB>text". What prints
// it is checked by tests/x64_check.py against another assembler.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/x64/asm.h"

static struct assembler list;
static bool list_prints;

// Ends an instruction of the list whose meaning is the text.
static void PRINTF_LIKE(1, 2) means(const char *format, ...) {
    assert_int_equal(list.status, OK);
    assert_in_range(list.len, 1, 15);
    if (list_prints) {
        for (u32 i = 0; i < list.len; i++)
            printf("%02x", list.code[i]);
        putchar('\t');
        va_list args;
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        putchar('\n');
    }
    asm_reset(&list);
}

static const char *const gpr_names[4][16] = {
    [W8] = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b",
            "r12b", "r13b", "r14b", "r15b"},
    [W16] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w",
             "r13w", "r14w", "r15w"},
    [W32] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d",
             "r12d", "r13d", "r14d", "r15d"},
    [W64] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
             "r12", "r13", "r14", "r15"},
};
static const char *const pointer_names[] = {"byte", "word", "dword", "qword", "xmmword"};
static const char *const cond_names[] = {"o", "no", "b", "ae", "e", "ne", "be", "a",
                                         "s", "ns", "p", "np", "l", "ge", "le", "g"};
static const char *const alu_names[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
static const char *const fwidth_names[] = {"s", "d"};

// The memory operand of a whole vector register, where an enum width is asked for.
#define W128 4

// A memory operand as text, in one of two buffers in turn.
static const char *mem_text(u32 w, struct mem m) {
    static char buffers[2][96];
    static u32 turn;
    char *out = buffers[turn++ % 2];
    usize size = sizeof(buffers[0]);
    enum width address = m.addr32 ? W32 : W64;
    const char *segments[] = {"", "fs:", "gs:"};
    usize at = (usize)snprintf(out, size, "%s ptr %s[", pointer_names[w], segments[m.segment]);
    const char *plus = "";
    if (m.base != NO_GPR) {
        at += (usize)snprintf(out + at, size - at, "%s", gpr_names[address][m.base]);
        plus = " + ";
    }
    if (m.index != NO_GPR) {
        at += (usize)snprintf(out + at, size - at, "%s%d*%s", plus, 1 << m.scale,
                              gpr_names[address][m.index]);
        plus = " + ";
    }
    if (m.base == NO_GPR && m.index == NO_GPR)
        snprintf(out + at, size - at, "%s%d]", m.addr32 ? "1*eiz + " : "", m.disp);
    else
        snprintf(out + at, size - at, "%s%d]", plus, m.disp);
    return out;
}

static const i32 disps[] = {0, 1, -1, 127, 128, -128, -129, 0x12345678, -0x12345678, INT32_MIN};

#define MEM_COUNT (17u * 16 * 4 * COUNT_OF(disps) * 3 * 2)

// The n-th memory operand; false for combinations that do not exist.
static bool mem_nth(u32 n, struct mem *out) {
    u32 base = n % 17;
    n /= 17;
    u32 index = n % 16;
    n /= 16;
    u32 scale = n % 4;
    n /= 4;
    i32 disp = disps[n % COUNT_OF(disps)];
    n /= COUNT_OF(disps);
    *out = (struct mem){
        .base = base == 16 ? NO_GPR : (enum gpr)base,
        .index = index == RSP ? NO_GPR : (enum gpr)index,
        .scale = (u8)scale,
        .segment = (enum segment)(n % 3),
        .addr32 = n / 3 != 0,
        .disp = disp,
    };
    return out->index != NO_GPR || scale == 0;
}

#define FOR_EACH_GPR(r)          for (enum gpr r = RAX; r <= R15; r++)
#define FOR_EACH_XMM(r)          for (enum xmm r = XMM0; r <= XMM15; r++)
#define FOR_EACH_WIDTH(w, first) for (enum width w = (first); w <= W64; w++)
