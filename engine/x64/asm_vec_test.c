// Tests of the assembler's vector instructions; the list is as asm_test.c says. Every row of
// vec_ops.def is in it, so that a wrong prefix, map, code or memory size shows.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/x64/asm_vec.h"
#include "tests/fake_host.h"
#include "tests/x64_list.h"

static const struct vec_row {
    enum vec_op op;
    const char *text;
    u8 bytes;
} rows[] = {
#define VEC_OP(name, text, prefix, map, code, sources, bytes) {VEC_##name, text, bytes},
#define VEC_OP_IMM(name, text, prefix, map, code, sources, bytes)                                  \
    VEC_OP(name, text, prefix, map, code, sources, bytes)
#include "engine/x64/vec_ops.def"
#undef VEC_OP
#undef VEC_OP_IMM
};

static const struct shift_row {
    enum vec_shift op;
    const char *text;
} shifts[] = {
    {VEC_SHIFT_PSRLW, "psrlw"},   {VEC_SHIFT_PSRAW, "psraw"},   {VEC_SHIFT_PSLLW, "psllw"},
    {VEC_SHIFT_PSRLD, "psrld"},   {VEC_SHIFT_PSRAD, "psrad"},   {VEC_SHIFT_PSLLD, "pslld"},
    {VEC_SHIFT_PSRLQ, "psrlq"},   {VEC_SHIFT_PSRLDQ, "psrldq"}, {VEC_SHIFT_PSLLQ, "psllq"},
    {VEC_SHIFT_PSLLDQ, "pslldq"},
};

static u32 memory_width(u8 bytes) {
    return bytes == 16 ? W128 : bytes == 8 ? W64 : W32;
}

static bool is_cmp(enum vec_op op) {
    return op == VEC_CMPPS || op == VEC_CMPPD;
}

// Ends a line of an instruction with an immediate: LLVM names the comparisons by theirs.
static void means_imm(const struct vec_row *row, enum xmm to, const char *from, u8 imm) {
    static const char *const names[] = {"eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"};
    if (is_cmp(row->op))
        means("cmp%s%s xmm%d, %s", names[imm], row->text + 3, to, from);
    else
        means("%s xmm%d, %s, %d", row->text, to, from, imm);
}

static u8 immediate_for(enum vec_op op, u32 turn) {
    return (u8)(is_cmp(op) ? turn % 8 : turn % 256);
}

static void list_registers(const struct vec_row *row) {
    u32 turn = 0;
    FOR_EACH_XMM(x) FOR_EACH_XMM(y) {
        char from[8];
        snprintf(from, sizeof(from), "xmm%d", y);
        if (vec_op_has_imm(row->op)) {
            u8 imm = immediate_for(row->op, turn++);
            asm_vec_rri(&list, row->op, x, y, imm);
            means_imm(row, x, from, imm);
        } else {
            asm_vec_rr(&list, row->op, x, y);
            means("%s xmm%d, %s", row->text, x, from);
        }
    }
}

static void list_memory(const struct vec_row *row, u32 turn, struct mem m) {
    enum xmm x = (enum xmm)(turn % 16);
    if (row->bytes == 0)
        return;
    const char *from = mem_text(memory_width(row->bytes), m);
    if (vec_op_has_imm(row->op)) {
        u8 imm = immediate_for(row->op, turn);
        asm_vec_rmi(&list, row->op, x, m, imm);
        means_imm(row, x, from, imm);
    } else {
        asm_vec_rm(&list, row->op, x, m);
        means("%s xmm%d, %s", row->text, x, from);
    }
}

// rip-relative to its own end
static void list_label(const struct vec_row *row) {
    if (vec_op_has_imm(row->op) || row->bytes == 0)
        return;
    static const char *const pointers[] = {[W32] = "dword", [W64] = "qword", [W128] = "xmmword"};
    FOR_EACH_XMM(x) {
        struct label label = {0};
        asm_vec_rl(&list, row->op, x, &label);
        asm_bind(&list, &label);
        means("%s xmm%d, %s ptr [rip]", row->text, x, pointers[memory_width(row->bytes)]);
    }
}

static void list_lane_memory(struct mem m, u32 turn) {
    enum xmm x = (enum xmm)(turn % 16);
    FOR_EACH_WIDTH(w, W8) {
        static const char letters[] = "bwdq";
        u8 lane = (u8)(turn % (16u >> w));
        asm_pinsr_m(&list, w, x, m, lane);
        means("pinsr%c xmm%d, %s, %d", letters[w], x, mem_text(w, m), lane);
        asm_pextr_m(&list, w, m, x, lane);
        means("pextr%c %s, xmm%d, %d", letters[w], mem_text(w, m), x, lane);
    }
    asm_loadv(&list, x, m);
    means("movups xmm%d, %s", x, mem_text(W128, m));
    asm_storev(&list, m, x);
    means("movups %s, xmm%d", mem_text(W128, m), x);
}

static void list_lanes(void) {
    u32 turn = 0;
    FOR_EACH_XMM(x) FOR_EACH_GPR(r) {
        turn++;
        FOR_EACH_WIDTH(w, W8) {
            static const char letters[] = "bwdq";
            u8 lane = (u8)(turn % (16u >> w));
            const char *name = gpr_names[w == W64 ? W64 : W32][r];
            asm_pinsr_r(&list, w, x, r, lane);
            means("pinsr%c xmm%d, %s, %d", letters[w], x, name, lane);
            asm_pextr_r(&list, w, r, x, lane);
            means("pextr%c %s, xmm%d, %d", letters[w], name, x, lane);
        }
        asm_movmsk(&list, W8, r, x);
        means("pmovmskb %s, xmm%d", gpr_names[W32][r], x);
        asm_movmsk(&list, W32, r, x);
        means("movmskps %s, xmm%d", gpr_names[W32][r], x);
        asm_movmsk(&list, W64, r, x);
        means("movmskpd %s, xmm%d", gpr_names[W32][r], x);
    }
}

static void list_shifts(void) {
    FOR_EACH_XMM(x) for (usize i = 0; i < COUNT_OF(shifts); i++) {
        for (u32 count = 0; count < 256; count += 15) {
            asm_vec_shift_i(&list, shifts[i].op, x, x, (u8)count);
            means("%s xmm%d, %u", shifts[i].text, x, count);
        }
    }
}

static void list_all(bool print) {
    list_prints = print;
    asm_init(&list);
    for (usize i = 0; i < COUNT_OF(rows); i++) {
        list_registers(&rows[i]);
        list_label(&rows[i]);
        // A sample; 1277 has no factor in common with the number of any part.
        for (u32 n = (u32)i; n < MEM_COUNT; n += 1277) {
            struct mem m;
            if (mem_nth(n, &m))
                list_memory(&rows[i], n / 1277, m);
        }
    }
    for (u32 n = 0; n < MEM_COUNT; n += 127) {
        struct mem m;
        if (mem_nth(n, &m))
            list_lane_memory(m, n / 127);
    }
    list_lanes();
    list_shifts();
    asm_fini(&list);
}

static void every_operand_combination_is_encodable(void **) {
    list_all(false);
    assert_int_equal(fake_host_bytes(), 0);
}

static void expect_bytes(const struct assembler *a, const char *name, const char *hex) {
    char got[64] = "";
    assert_int_equal(a->status, OK);
    for (u32 i = 0; i < a->len; i++)
        snprintf(got + 2 * i, sizeof(got) - 2 * i, "%02x", a->code[i]);
    if (strcmp(got, hex) != 0)
        fail_msg("%s: got %s, expected %s", name, got, hex);
}

#define EXPECT(hex, call)                                                                          \
    do {                                                                                           \
        asm_reset(a);                                                                              \
        call;                                                                                      \
        expect_bytes(a, #call, hex);                                                               \
    } while (0)

static void encodings_are_the_manuals(void **) {
    struct assembler assembler;
    struct assembler *a = &assembler;
    asm_init(a);
    EXPECT("660ffcc1", asm_vec_rr(a, VEC_PADDB, XMM0, XMM1));
    EXPECT("66450f3800c1", asm_vec_rr(a, VEC_PSHUFB, XMM8, XMM9));
    EXPECT("660f70c14e", asm_vec_rri(a, VEC_PSHUFD, XMM0, XMM1, 0x4e));
    EXPECT("6467440f1038", asm_loadv(a, XMM15, ((struct mem){RAX, NO_GPR, 0, SEG_FS, true, 0})));
    EXPECT("660f73f00c", asm_vec_shift_i(a, VEC_SHIFT_PSLLQ, XMM0, XMM0, 12));
    EXPECT("66490f3a16c001", asm_pextr_r(a, W64, R8, XMM0, 1));
    EXPECT("66410fc5c007", asm_pextr_r(a, W16, RAX, XMM8, 7));
    asm_fini(a);
}

static void a_constant_is_reached_from_before_its_label(void **) {
    struct assembler a;
    struct label label = {0};
    asm_init(&a);
    asm_vec_rl(&a, VEC_PAND, XMM9, &label); // 66 44 0f db 0d rel32: 9 bytes
    asm_align(&a, 16);
    asm_bind(&a, &label);
    assert_memory_equal(a.code, "\x66\x44\x0f\xdb\x0d\x07\0\0\0", 9);
    asm_fini(&a);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_all(true);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operand_combination_is_encodable),
        cmocka_unit_test(encodings_are_the_manuals),
        cmocka_unit_test(a_constant_is_reached_from_before_its_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
