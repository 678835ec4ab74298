// Tests of the AVX forms; the list is as asm_test.c says. Every row of vec_ops.def is in it, as are
// the scalar instructions, and what only AVX has.

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

static const struct {
    enum sse_op op;
    const char *name;
    bool bitwise;
} sse_ops[] = {{SSE_AND, "andp", true},  {SSE_ANDN, "andnp", true}, {SSE_OR, "orp", true},
               {SSE_XOR, "xorp", true},  {SSE_ADD, "adds", false},  {SSE_MUL, "muls", false},
               {SSE_SUB, "subs", false}, {SSE_MIN, "mins", false},  {SSE_DIV, "divs", false},
               {SSE_MAX, "maxs", false}};

static u32 memory_width(u8 bytes) {
    return bytes == 16 ? W128 : bytes == 8 ? W64 : W32;
}

static bool is_cmp(enum vec_op op) {
    return op == VEC_CMPPS || op == VEC_CMPPD;
}

// Some third register, so that all pairs of two occur and all of the third.
static enum xmm third(enum xmm x, enum xmm y) {
    return (enum xmm)((5 * x + 3 * y + 1) % 16);
}

// -- The table ----------------------------------------------------------------------------------

static void list_one_source(const struct vec_row *row, enum xmm x, enum xmm y) {
    if (vec_op_has_imm(row->op)) {
        u8 imm = (u8)(16 * x + y);
        asm_vec_rri(&list, row->op, x, y, imm);
        means("v%s xmm%d, xmm%d, %d", row->text, x, y, imm);
    } else {
        asm_vec_rr(&list, row->op, x, y);
        means("v%s xmm%d, xmm%d", row->text, x, y);
    }
}

static void list_two_sources(const struct vec_row *row, enum xmm x, enum xmm y) {
    static const char *const names[] = {"eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"};
    enum xmm z = third(x, y);
    if (is_cmp(row->op)) {
        u8 imm = (u8)(x + y) % 8;
        asm_vec_rrri(&list, row->op, x, y, z, imm);
        means("vcmp%s%s xmm%d, xmm%d, xmm%d", names[imm], row->text + 3, x, y, z);
    } else if (vec_op_has_imm(row->op)) {
        u8 imm = (u8)(16 * x + y);
        asm_vec_rrri(&list, row->op, x, y, z, imm);
        means("v%s xmm%d, xmm%d, xmm%d, %d", row->text, x, y, z, imm);
    } else {
        asm_vec_rrr(&list, row->op, x, y, z);
        means("v%s xmm%d, xmm%d, xmm%d", row->text, x, y, z);
        asm_vec_rr(&list, row->op, x, z);
        means("v%s xmm%d, xmm%d, xmm%d", row->text, x, x, z);
    }
}

static void list_row(const struct vec_row *row) {
    FOR_EACH_XMM(x) FOR_EACH_XMM(y) {
        if (VEC_SOURCES(row->op) == VEC_SOURCES_1)
            list_one_source(row, x, y);
        else
            list_two_sources(row, x, y);
    }
}

static void list_row_memory(const struct vec_row *row, u32 turn, struct mem m) {
    enum xmm x = (enum xmm)(turn % 16);
    enum xmm y = third(x, XMM2);
    if (row->bytes == 0 || vec_op_has_imm(row->op))
        return;
    const char *from = mem_text(memory_width(row->bytes), m);
    if (VEC_SOURCES(row->op) == VEC_SOURCES_2) {
        asm_vec_rrm(&list, row->op, x, y, m);
        means("v%s xmm%d, xmm%d, %s", row->text, x, y, from);
    } else {
        asm_vec_rm(&list, row->op, x, m);
        means("v%s xmm%d, %s", row->text, x, from);
    }
}

// rip-relative to its own end
static void list_row_label(const struct vec_row *row) {
    if (vec_op_has_imm(row->op) || row->bytes == 0)
        return;
    static const char *const pointers[] = {[W32] = "dword", [W64] = "qword", [W128] = "xmmword"};
    const char *pointer = pointers[memory_width(row->bytes)];
    FOR_EACH_XMM(x) {
        struct label label = {0};
        if (VEC_SOURCES(row->op) == VEC_SOURCES_2) {
            asm_vec_rrl(&list, row->op, x, third(x, x), &label);
            asm_bind(&list, &label);
            means("v%s xmm%d, xmm%d, %s ptr [rip]", row->text, x, third(x, x), pointer);
        } else {
            asm_vec_rl(&list, row->op, x, &label);
            asm_bind(&list, &label);
            means("v%s xmm%d, %s ptr [rip]", row->text, x, pointer);
        }
    }
}

// -- Scalars ------------------------------------------------------------------------------------

static void list_scalar_registers(enum fwidth w) {
    const char *s = fwidth_names[w];
    FOR_EACH_XMM(x) FOR_EACH_XMM(y) {
        for (usize i = 0; i < COUNT_OF(sse_ops); i++) {
            enum xmm z = third(x, y);
            asm_sse_rrr(&list, sse_ops[i].op, w, x, y, z);
            means("v%s%s xmm%d, xmm%d, xmm%d", sse_ops[i].name, s, x, y, z);
            asm_sse_rr(&list, sse_ops[i].op, w, x, y);
            means("v%s%s xmm%d, xmm%d, xmm%d", sse_ops[i].name, s, x, x, y);
        }
        asm_sse_rr(&list, SSE_SQRT, w, x, y);
        means("vsqrts%s xmm%d, xmm%d, xmm%d", s, x, y, y);
        asm_ucomis(&list, w, x, y);
        means("vucomis%s xmm%d, xmm%d", s, x, y);
        asm_rounds(&list, w, ROUND_UP, x, y);
        means("vrounds%s xmm%d, xmm%d, xmm%d, 10", s, x, y, y);
        asm_cvts2s(&list, w, x, y);
        means("vcvts%s2s%s xmm%d, xmm%d, xmm%d", fwidth_names[w ^ 1], s, x, y, y);
        asm_movaps_rr(&list, x, y);
        means("vmovaps xmm%d, xmm%d", x, y);
    }
}

static void list_scalar_memory(enum fwidth w, enum xmm x, struct mem m) {
    const char *s = fwidth_names[w];
    const char *text = mem_text(w == F32 ? W32 : W64, m);
    enum xmm y = third(x, XMM9);
    for (usize i = 0; i < COUNT_OF(sse_ops); i++) {
        if (sse_ops[i].bitwise)
            continue;
        asm_sse_rrm(&list, sse_ops[i].op, w, x, y, m);
        means("v%s%s xmm%d, xmm%d, %s", sse_ops[i].name, s, x, y, text);
        struct label label = {0};
        asm_sse_rrl(&list, sse_ops[i].op, w, x, y, &label);
        asm_bind(&list, &label);
        means("v%s%s xmm%d, xmm%d, %s ptr [rip]", sse_ops[i].name, s, x, y,
              w == F32 ? "dword" : "qword");
    }
    asm_loadf(&list, w, x, m);
    means("vmovs%s xmm%d, %s", s, x, text);
    asm_storef(&list, w, m, x);
    means("vmovs%s %s, xmm%d", s, text, x);
    asm_ucomis_m(&list, w, x, m);
    means("vucomis%s xmm%d, %s", s, x, text);
}

static void list_transfers(void) {
    FOR_EACH_XMM(x) FOR_EACH_GPR(r) FOR_EACH_WIDTH(w, W32) {
        const char *name = gpr_names[w][r];
        asm_mov_xr(&list, w, x, r);
        means("vmov%s xmm%d, %s", w == W32 ? "d" : "q", x, name);
        asm_mov_rx(&list, w, r, x);
        means("vmov%s %s, xmm%d", w == W32 ? "d" : "q", name, x);
        for (enum fwidth f = F32; f <= F64; f++) {
            asm_cvtsi2s(&list, f, w, x, r);
            means("vcvtsi2s%s xmm%d, xmm%d, %s", fwidth_names[f], x, x, name);
            asm_cvtts2si(&list, w, f, r, x);
            means("vcvtts%s2si %s, xmm%d", fwidth_names[f], name, x);
        }
    }
}

// -- Lanes and shifts ---------------------------------------------------------------------------

static const char lane_letters[] = "bwdq";

static void list_lane_memory(struct mem m, u32 turn) {
    enum xmm x = (enum xmm)(turn % 16);
    FOR_EACH_WIDTH(w, W8) {
        u8 lane = (u8)(turn % (16u >> w));
        asm_pinsr_m(&list, w, x, m, lane);
        means("vpinsr%c xmm%d, xmm%d, %s, %d", lane_letters[w], x, x, mem_text(w, m), lane);
        asm_pextr_m(&list, w, m, x, lane);
        means("vpextr%c %s, xmm%d, %d", lane_letters[w], mem_text(w, m), x, lane);
        static const char *const names[] = {"vpbroadcastb", "vpbroadcastw", "vbroadcastss",
                                            "vmovddup"};
        asm_broadcast_m(&list, w, x, m);
        means("%s xmm%d, %s", names[w], x, mem_text(w, m));
    }
    asm_loadv(&list, x, m);
    means("vmovups xmm%d, %s", x, mem_text(W128, m));
    asm_storev(&list, m, x);
    means("vmovups %s, xmm%d", mem_text(W128, m), x);
}

static void list_lanes(void) {
    u32 turn = 0;
    FOR_EACH_XMM(x) FOR_EACH_GPR(r) {
        turn++;
        FOR_EACH_WIDTH(w, W8) {
            u8 lane = (u8)(turn % (16u >> w));
            const char *name = gpr_names[w == W64 ? W64 : W32][r];
            asm_pinsr_r(&list, w, x, r, lane);
            means("vpinsr%c xmm%d, xmm%d, %s, %d", lane_letters[w], x, x, name, lane);
            asm_pextr_r(&list, w, r, x, lane);
            means("vpextr%c %s, xmm%d, %d", lane_letters[w], name, x, lane);
            asm_broadcast_r(&list, w, x, (enum xmm)r);
            means("vpbroadcast%c xmm%d, xmm%d", lane_letters[w], x, r);
        }
        asm_movmsk(&list, W8, r, x);
        means("vpmovmskb %s, xmm%d", gpr_names[W32][r], x);
        asm_movmsk(&list, W64, r, x);
        means("vmovmskpd %s, xmm%d", gpr_names[W32][r], x);
    }
}

static void list_shifts(void) {
    FOR_EACH_XMM(x) FOR_EACH_XMM(y) {
        asm_vec_shift_i(&list, VEC_SHIFT_PSRLW, x, y, 3);
        means("vpsrlw xmm%d, xmm%d, 3", x, y);
        asm_vec_shift_i(&list, VEC_SHIFT_PSRAD, x, y, 31);
        means("vpsrad xmm%d, xmm%d, 31", x, y);
        asm_vec_shift_i(&list, VEC_SHIFT_PSLLDQ, x, y, 15);
        means("vpslldq xmm%d, xmm%d, 15", x, y);
    }
}

// -- What only AVX has --------------------------------------------------------------------------

static void list_new(void) {
    FOR_EACH_XMM(x) FOR_EACH_XMM(y) {
        enum xmm z = third(x, y);
        struct vec_blend from = {.x = y, .y = z, .mask = third(y, x)};
        asm_blendv(&list, W8, x, from);
        means("vpblendvb xmm%d, xmm%d, xmm%d, xmm%d", x, y, z, from.mask);
        asm_blendv(&list, W32, x, from);
        means("vblendvps xmm%d, xmm%d, xmm%d, xmm%d", x, y, z, from.mask);
        asm_blendv(&list, W64, x, from);
        means("vblendvpd xmm%d, xmm%d, xmm%d, xmm%d", x, y, z, from.mask);
        for (enum fwidth w = F32; w <= F64; w++) {
            asm_fma(&list, FMA_MADD_213, w, x, y, z);
            means("vfmadd213p%s xmm%d, xmm%d, xmm%d", fwidth_names[w], x, y, z);
            asm_fma(&list, FMA_MADD_231, w, x, y, z);
            means("vfmadd231p%s xmm%d, xmm%d, xmm%d", fwidth_names[w], x, y, z);
            asm_fma(&list, FMA_NMADD_213, w, x, y, z);
            means("vfnmadd213p%s xmm%d, xmm%d, xmm%d", fwidth_names[w], x, y, z);
            asm_fma(&list, FMA_NMADD_231, w, x, y, z);
            means("vfnmadd231p%s xmm%d, xmm%d, xmm%d", fwidth_names[w], x, y, z);
        }
    }
}

static void list_all(bool print) {
    list_prints = print;
    asm_init(&list);
    list.has_avx = true;
    for (usize i = 0; i < COUNT_OF(rows); i++) {
        list_row(&rows[i]);
        list_row_label(&rows[i]);
        // A sample; 1277 has no factor in common with the number of any part.
        for (u32 n = (u32)i; n < MEM_COUNT; n += 1277) {
            struct mem m;
            if (mem_nth(n, &m))
                list_row_memory(&rows[i], n / 1277, m);
        }
    }
    for (enum fwidth w = F32; w <= F64; w++)
        list_scalar_registers(w);
    for (u32 n = 0; n < MEM_COUNT; n += 127) {
        struct mem m;
        if (!mem_nth(n, &m))
            continue;
        list_lane_memory(m, n / 127);
        list_scalar_memory(n % 2 == 0 ? F32 : F64, (enum xmm)(n / 127 % 16), m);
    }
    list_transfers();
    list_lanes();
    list_shifts();
    list_new();
    asm_fini(&list);
}

static void every_operand_combination_is_encodable(void **) {
    list_all(false);
    assert_int_equal(fake_host_bytes(), 0);
}

// -- Known bytes --------------------------------------------------------------------------------

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
    a->has_avx = true;
    EXPECT("c5e9fccb", asm_vec_rrr(a, VEC_PADDB, XMM1, XMM2, XMM3));
    EXPECT("c4c169fccb", asm_vec_rrr(a, VEC_PADDB, XMM1, XMM2, XMM11));
    EXPECT("c4e26900cb", asm_vec_rrr(a, VEC_PSHUFB, XMM1, XMM2, XMM3));
    EXPECT("c5ea58cb", asm_sse_rrr(a, SSE_ADD, F32, XMM1, XMM2, XMM3));
    EXPECT("c5f828c1", asm_movaps_rr(a, XMM0, XMM1));
    EXPECT("c57829c0", asm_movaps_rr(a, XMM0, XMM8)); // two bytes of prefix: as a store
    EXPECT("6467c5781038", asm_loadv(a, XMM15, ((struct mem){RAX, NO_GPR, 0, SEG_FS, true, 0})));
    EXPECT("c5f973f20c", asm_vec_shift_i(a, VEC_SHIFT_PSLLQ, XMM0, XMM2, 12));
    EXPECT("c4e1f96ec0", asm_mov_xr(a, W64, XMM0, RAX));
    asm_fini(a);
}

// The same three operands without AVX: a move, unless the first source is the result's.
static void three_operands_are_two_instructions_of_sse(void **) {
    struct assembler assembler;
    struct assembler *a = &assembler;
    asm_init(a);
    EXPECT("0f28ca660ffccb", asm_vec_rrr(a, VEC_PADDB, XMM1, XMM2, XMM3));
    EXPECT("660ffccb", asm_vec_rrr(a, VEC_PADDB, XMM1, XMM1, XMM3));
    EXPECT("0f28ca660ffcca", asm_vec_rrr(a, VEC_PADDB, XMM1, XMM2, XMM2));
    EXPECT("0f28caf30f58cb", asm_sse_rrr(a, SSE_ADD, F32, XMM1, XMM2, XMM3));
    EXPECT("0f28c2660f73f00c", asm_vec_shift_i(a, VEC_SHIFT_PSLLQ, XMM0, XMM2, 12));
    asm_fini(a);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_all(true);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operand_combination_is_encodable),
        cmocka_unit_test(encodings_are_the_manuals),
        cmocka_unit_test(three_operands_are_two_instructions_of_sse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
