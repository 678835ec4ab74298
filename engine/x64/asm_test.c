// Tests of the assembler: known bytes, labels, boundaries, running out of memory.
//
// What each encoder means is checked by another assembler: `asm_test --list` prints every encoder
// with every kind of operand as "bytes<TAB>text", and tests/x64_check.py has llvm-mc disassemble
// the bytes and assemble the text. Here the same list only has to pass the assertions.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/x64/code.h"
#include "tests/fake_host.h"
#include "tests/x64_list.h"

// -- The list ----------------------------------------------------------------------------------

static void list_moves(void) {
    FOR_EACH_GPR(x) FOR_EACH_GPR(y) {
        FOR_EACH_WIDTH(w, W32) {
            asm_mov_rr(&list, w, x, y);
            means("mov %s, %s", gpr_names[w][x], gpr_names[w][y]);
            if (w == W64 && x == RAX && y == RAX)
                continue; // LLVM knows a shorter way of doing nothing
            asm_xchg_rr(&list, w, x, y);
            means("xchg %s, %s", gpr_names[w][x], gpr_names[w][y]);
        }
        for (enum width from = W8; from <= W16; from++) {
            asm_movzx(&list, from, x, y);
            means("movzx %s, %s", gpr_names[W32][x], gpr_names[from][y]);
        }
        FOR_EACH_WIDTH(w, W32) for (enum width from = W8; from < w; from++) {
            asm_movsx(&list, w, from, x, y);
            means("%s %s, %s", from == W32 ? "movsxd" : "movsx", gpr_names[w][x],
                  gpr_names[from][y]);
        }
    }
    static const u64 values[] = {0,
                                 1,
                                 127,
                                 128,
                                 INT32_MAX,
                                 1ull << 31,
                                 UINT32_MAX,
                                 1ull << 32,
                                 (u64)-1,
                                 (u64)INT32_MIN,
                                 (u64)INT32_MIN - 1,
                                 INT64_MAX,
                                 1ull << 63};
    FOR_EACH_GPR(x) for (usize i = 0; i < COUNT_OF(values); i++) {
        u64 value = values[i];
        asm_mov_ri(&list, x, value);
        if (value <= UINT32_MAX)
            means("mov %s, %llu", gpr_names[W32][x], (unsigned long long)value);
        else if ((i64)value == (i32)value)
            means("mov %s, %lld", gpr_names[W64][x], (long long)value);
        else
            means("movabs %s, %lld", gpr_names[W64][x], (long long)value);
    }
    FOR_EACH_GPR(x) {
        asm_zero(&list, x);
        means("xor %s, %s", gpr_names[W32][x], gpr_names[W32][x]);
    }
}

// Loads, stores and lea of one memory operand.
static void list_memory_moves(struct mem m, enum gpr r) {
    FOR_EACH_WIDTH(w, W8) {
        asm_load(&list, w, r, m);
        means("%s %s, %s", w < W32 ? "movzx" : "mov", gpr_names[w < W32 ? W32 : w][r],
              mem_text(w, m));
        asm_store(&list, w, m, r);
        means("mov %s, %s", mem_text(w, m), gpr_names[w][r]);
    }
    FOR_EACH_WIDTH(w, W32) for (enum width from = W8; from < w; from++) {
        asm_load_sx(&list, w, from, r, m);
        means("%s %s, %s", from == W32 ? "movsxd" : "movsx", gpr_names[w][r], mem_text(from, m));
    }
    static const i32 values[4][5] = {
        [W8] = {0, 1, 127, -128, -1},
        [W16] = {0, 128, 32767, -32768, -1},
        [W32] = {0, 128, INT32_MAX, INT32_MIN, -1},
        [W64] = {0, 128, INT32_MAX, INT32_MIN, -1},
    };
    FOR_EACH_WIDTH(w, W8) {
        i32 value = values[w][(u32)m.disp % 5];
        asm_store_i(&list, w, m, value);
        means("mov %s, %d", mem_text(w, m), value);
    }
    m.segment = SEG_NONE;
    FOR_EACH_WIDTH(w, W32) {
        asm_lea(&list, w, r, m);
        means("lea %s, %s", gpr_names[w][r], strchr(mem_text(W64, m), '['));
    }
}

static const i32 immediates[4][9] = {
    [W8] = {0, 1, -1, 2, 5, 126, 127, -127, -128},
    [W16] = {0, 1, -1, 127, 128, -128, -129, 32767, -32768},
    [W32] = {0, 1, -1, 127, 128, -128, -129, INT32_MAX, INT32_MIN},
    [W64] = {0, 1, -1, 127, 128, -128, -129, INT32_MAX, INT32_MIN},
};

static void list_alu_registers(enum alu op) {
    FOR_EACH_WIDTH(w, W8) FOR_EACH_GPR(x) {
        FOR_EACH_GPR(y) {
            asm_alu_rr(&list, op, w, x, y);
            means("%s %s, %s", alu_names[op], gpr_names[w][x], gpr_names[w][y]);
        }
        for (usize i = 0; i < COUNT_OF(immediates[w]); i++) {
            asm_alu_ri(&list, op, w, x, immediates[w][i]);
            means("%s %s, %d", alu_names[op], gpr_names[w][x], immediates[w][i]);
        }
    }
}

static void list_alu_memory(struct mem m, enum gpr r, u32 turn) {
    enum alu op = (enum alu)(turn % 8);
    FOR_EACH_WIDTH(w, W8) {
        asm_alu_rm(&list, op, w, r, m);
        means("%s %s, %s", alu_names[op], gpr_names[w][r], mem_text(w, m));
        asm_alu_mr(&list, op, w, m, r);
        means("%s %s, %s", alu_names[op], mem_text(w, m), gpr_names[w][r]);
        i32 value = immediates[w][turn / 8 % 9];
        asm_alu_mi(&list, op, w, m, value);
        means("%s %s, %d", alu_names[op], mem_text(w, m), value);
    }
    FOR_EACH_WIDTH(w, W32) {
        asm_imul_rm(&list, w, r, m);
        means("imul %s, %s", gpr_names[w][r], mem_text(w, m));
    }
}

static void list_test_and_imul(void) {
    FOR_EACH_WIDTH(w, W8) FOR_EACH_GPR(x) {
        FOR_EACH_GPR(y) {
            asm_test_rr(&list, w, x, y);
            means("test %s, %s", gpr_names[w][x], gpr_names[w][y]);
        }
        for (usize i = 0; i < COUNT_OF(immediates[w]); i++) {
            asm_test_ri(&list, w, x, immediates[w][i]);
            means("test %s, %d", gpr_names[w][x], immediates[w][i]);
        }
    }
    FOR_EACH_WIDTH(w, W32) FOR_EACH_GPR(x) FOR_EACH_GPR(y) {
        asm_imul_rr(&list, w, x, y);
        means("imul %s, %s", gpr_names[w][x], gpr_names[w][y]);
        i32 value = immediates[w][(x + y) % 9];
        asm_imul_rri(&list, w, x, y, value);
        means("imul %s, %s, %d", gpr_names[w][x], gpr_names[w][y], value);
    }
}

static void list_one_operand(void) {
    static const char *const unary_names[] = {"", "", "not", "neg", "mul", "imul", "div", "idiv"};
    static const char *const shift_names[] = {"rol", "ror", "", "", "shl", "shr", "", "sar"};
    FOR_EACH_WIDTH(w, W8) FOR_EACH_GPR(x) {
        for (enum unary op = UNARY_NOT; op <= UNARY_IDIV; op++) {
            asm_unary(&list, op, w, x);
            means("%s %s", unary_names[op], gpr_names[w][x]);
        }
        for (enum shift op = SHIFT_ROL; op <= SHIFT_SAR; op++) {
            if (shift_names[op][0] == '\0')
                continue;
            asm_shift_cl(&list, op, w, x);
            means("%s %s, cl", shift_names[op], gpr_names[w][x]);
            for (u8 count = 0; count < (8 << w); count = count < 2 ? count + 1 : 2 * count + 1) {
                asm_shift_i(&list, op, w, x, count);
                // A shift by one prints without its count.
                means(count == 1 ? "%s %s" : "%s %s, %u", shift_names[op], gpr_names[w][x], count);
            }
        }
    }
    FOR_EACH_GPR(x) for (enum cond cond = COND_O; cond <= COND_G; cond++) {
        asm_setcc(&list, cond, x);
        means("set%s %s", cond_names[cond], gpr_names[W8][x]);
    }
    FOR_EACH_GPR(x) {
        asm_push(&list, x);
        means("push %s", gpr_names[W64][x]);
        asm_pop(&list, x);
        means("pop %s", gpr_names[W64][x]);
        asm_jmp_r(&list, x);
        means("jmp %s", gpr_names[W64][x]);
        asm_call_r(&list, x);
        means("call %s", gpr_names[W64][x]);
    }
}

static void list_bits(void) {
    static const struct {
        void (*emit)(struct assembler *a, enum width w, enum gpr to, enum gpr from);
        const char *name;
    } bits[] = {{asm_bsf, "bsf"},
                {asm_bsr, "bsr"},
                {asm_popcnt, "popcnt"},
                {asm_lzcnt, "lzcnt"},
                {asm_tzcnt, "tzcnt"}};
    FOR_EACH_WIDTH(w, W32) FOR_EACH_GPR(x) FOR_EACH_GPR(y) {
        for (usize i = 0; i < COUNT_OF(bits); i++) {
            bits[i].emit(&list, w, x, y);
            means("%s %s, %s", bits[i].name, gpr_names[w][x], gpr_names[w][y]);
        }
        for (enum cond cond = COND_O; cond <= COND_G; cond++) {
            asm_cmov(&list, cond, w, x, y);
            means("cmov%s %s, %s", cond_names[cond], gpr_names[w][x], gpr_names[w][y]);
        }
    }
}

static void list_no_operand(void) {
    asm_cdq(&list, W32);
    means("cdq");
    asm_cdq(&list, W64);
    means("cqo");
    asm_leave(&list);
    means("leave");
    asm_ret(&list);
    means("ret");
    asm_ret_pop(&list, 16);
    means("ret 16");
    asm_ret_pop(&list, 0x7ff0);
    means("ret 32752");
    asm_ud2(&list);
    means("ud2");
    asm_rep_movsb(&list);
    means("rep movsb byte ptr es:[rdi], byte ptr [rsi]");
    asm_rep_stosb(&list);
    means("rep stosb byte ptr es:[rdi], al");
    asm_cld(&list);
    means("cld");
    asm_std(&list);
    means("std");
}

static const struct {
    enum sse_op op;
    const char *name;
    bool bitwise;
} sse_ops[] = {{SSE_SQRT, "sqrts", false}, {SSE_AND, "andp", true},  {SSE_ANDN, "andnp", true},
               {SSE_OR, "orp", true},      {SSE_XOR, "xorp", true},  {SSE_ADD, "adds", false},
               {SSE_MUL, "muls", false},   {SSE_SUB, "subs", false}, {SSE_MIN, "mins", false},
               {SSE_DIV, "divs", false},   {SSE_MAX, "maxs", false}};

// rip-relative to its own end
static void list_float_label(enum fwidth w, enum xmm x) {
    const char *text = w == F32 ? "dword" : "qword";
    for (usize i = 0; i < COUNT_OF(sse_ops); i++) {
        if (sse_ops[i].bitwise)
            continue;
        struct label label = {0};
        asm_sse_rl(&list, sse_ops[i].op, w, x, &label);
        asm_bind(&list, &label);
        means("%s%s xmm%u, %s ptr [rip]", sse_ops[i].name, fwidth_names[w], x, text);
    }
    struct label label = {0};
    asm_loadf_label(&list, w, x, &label);
    asm_bind(&list, &label);
    means("movs%s xmm%u, %s ptr [rip]", fwidth_names[w], x, text);
}

static void list_float_arithmetic(enum fwidth w) {
    const char *suffix = fwidth_names[w];
    FOR_EACH_XMM(x) FOR_EACH_XMM(y) {
        for (usize i = 0; i < COUNT_OF(sse_ops); i++) {
            asm_sse_rr(&list, sse_ops[i].op, w, x, y);
            means("%s%s xmm%u, xmm%u", sse_ops[i].name, suffix, x, y);
        }
        asm_ucomis(&list, w, x, y);
        means("ucomis%s xmm%u, xmm%u", suffix, x, y);
        for (enum round_mode mode = ROUND_NEAREST; mode <= ROUND_TRUNC; mode++) {
            asm_rounds(&list, w, mode, x, y);
            means("rounds%s xmm%u, xmm%u, %u", suffix, x, y, 8 + mode);
        }
        if (x == y)
            list_float_label(w, x);
        asm_cvts2s(&list, w, x, y);
        means("cvts%s2s%s xmm%u, xmm%u", fwidth_names[w ^ 1], suffix, x, y);
        asm_movaps_rr(&list, x, y);
        means("movaps xmm%u, xmm%u", x, y);
    }
}

static void list_float_transfers(void) {
    FOR_EACH_XMM(x) FOR_EACH_GPR(r) FOR_EACH_WIDTH(w, W32) {
        asm_mov_xr(&list, w, x, r);
        means("mov%s xmm%u, %s", w == W32 ? "d" : "q", x, gpr_names[w][r]);
        asm_mov_rx(&list, w, r, x);
        means("mov%s %s, xmm%u", w == W32 ? "d" : "q", gpr_names[w][r], x);
        for (enum fwidth f = F32; f <= F64; f++) {
            asm_cvtsi2s(&list, f, w, x, r);
            means("cvtsi2s%s xmm%u, %s", fwidth_names[f], x, gpr_names[w][r]);
            asm_cvtts2si(&list, w, f, r, x);
            means("cvtts%s2si %s, xmm%u", fwidth_names[f], gpr_names[w][r], x);
        }
    }
}

static void list_float_memory(struct mem m, enum xmm x) {
    for (enum fwidth w = F32; w <= F64; w++) {
        const char *text = mem_text(w == F32 ? W32 : W64, m);
        for (usize i = 0; i < COUNT_OF(sse_ops); i++) {
            if (sse_ops[i].bitwise)
                continue;
            asm_sse_rm(&list, sse_ops[i].op, w, x, m);
            means("%s%s xmm%u, %s", sse_ops[i].name, fwidth_names[w], x, text);
        }
        asm_loadf(&list, w, x, m);
        means("movs%s xmm%u, %s", fwidth_names[w], x, text);
        asm_ucomis_m(&list, w, x, m);
        means("ucomis%s xmm%u, %s", fwidth_names[w], x, text);
        asm_storef(&list, w, m, x);
        means("movs%s %s, xmm%u", fwidth_names[w], text, x);
    }
}

static void list_atomic_memory(struct mem m, enum gpr r) {
    FOR_EACH_WIDTH(w, W8) {
        asm_xchg_mr(&list, w, m, r);
        means("xchg %s, %s", mem_text(w, m), gpr_names[w][r]);
        asm_lock_cmpxchg(&list, w, m, r);
        means("lock cmpxchg %s, %s", mem_text(w, m), gpr_names[w][r]);
        asm_lock_xadd(&list, w, m, r);
        means("lock xadd %s, %s", mem_text(w, m), gpr_names[w][r]);
    }
}

static void list_memory(void) {
    for (u32 n = 0; n < MEM_COUNT; n++) {
        struct mem m;
        if (!mem_nth(n, &m))
            continue;
        asm_load(&list, W64, RCX, m);
        means("mov rcx, %s", mem_text(W64, m));
    }
    // A sample for the others; 127 has no factor in common with the number of any part.
    for (u32 n = 0; n < MEM_COUNT; n += 127) {
        struct mem m;
        if (!mem_nth(n, &m))
            continue;
        u32 turn = n / 127;
        enum gpr r = (enum gpr)(turn % 16);
        list_memory_moves(m, r);
        list_alu_memory(m, r, turn);
        list_float_memory(m, (enum xmm)(turn % 16));
        list_atomic_memory(m, r);
        asm_push_m(&list, m);
        means("push %s", mem_text(W64, m));
        asm_jmp_m(&list, m);
        means("jmp %s", mem_text(W64, m));
        asm_call_m(&list, m);
        means("call %s", mem_text(W64, m));
    }
}

static void list_all(bool print) {
    list_prints = print;
    asm_init(&list);
    list_moves();
    for (enum alu op = ALU_ADD; op <= ALU_CMP; op++)
        list_alu_registers(op);
    list_test_and_imul();
    list_one_operand();
    list_bits();
    list_no_operand();
    list_float_arithmetic(F32);
    list_float_arithmetic(F64);
    list_float_transfers();
    list_memory();
    asm_mfence(&list);
    means("mfence");
    asm_fini(&list);
}

static void every_operand_combination_is_encodable(void **) {
    list_all(false);
    assert_int_equal(fake_host_bytes(), 0);
}

// -- Known bytes --------------------------------------------------------------------------------

static void expect_bytes(const struct assembler *a, const char *name, const char *hex) {
    char got[128] = "";
    assert_int_equal(a->status, OK);
    assert_true(a->len < sizeof(got) / 2);
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
    EXPECT("8bc1", asm_mov_rr(a, W32, RAX, RCX));
    EXPECT("b800000000", asm_mov_ri(a, RAX, 0));
    EXPECT("b8ffffffff", asm_mov_ri(a, RAX, 0xffffffff));
    EXPECT("48c7c0ffffffff", asm_mov_ri(a, RAX, (u64)-1));
    EXPECT("49bf0000000001000000", asm_mov_ri(a, R15, 1ull << 32));
    EXPECT("31c0", asm_zero(a, RAX));
    EXPECT("8b00", asm_load(a, W32, RAX, mem_at(RAX, 0)));
    EXPECT("8b4500", asm_load(a, W32, RAX, mem_at(RBP, 0)));
    EXPECT("8b0424", asm_load(a, W32, RAX, mem_at(RSP, 0)));
    EXPECT("418b4500", asm_load(a, W32, RAX, mem_at(R13, 0)));
    EXPECT("418b0424", asm_load(a, W32, RAX, mem_at(R12, 0)));
    EXPECT("8b407f", asm_load(a, W32, RAX, mem_at(RAX, 127)));
    EXPECT("8b8080000000", asm_load(a, W32, RAX, mem_at(RAX, 128)));
    EXPECT("8b042578563412", asm_load(a, W32, RAX, mem_at(NO_GPR, 0x12345678)));
    EXPECT("64678b06", asm_load(a, W32, RAX, ((struct mem){RSI, NO_GPR, 0, SEG_FS, true, 0})));
    EXPECT("408830", asm_store(a, W8, mem_at(RAX, 0), RSI));
    EXPECT("c60034", asm_store_i(a, W8, mem_at(RAX, 0), 0x1234));
    EXPECT("66c7003412", asm_store_i(a, W16, mem_at(RAX, 0), 0x7fff1234));
    EXPECT("83c0ff", asm_alu_ri(a, ALU_ADD, W32, RAX, -1));
    EXPECT("0580000000", asm_alu_ri(a, ALU_ADD, W32, RAX, 128));
    EXPECT("81c180000000", asm_alu_ri(a, ALU_ADD, W32, RCX, 128));
    EXPECT("400f94c6", asm_setcc(a, COND_E, RSI));
    EXPECT("0f94c3", asm_setcc(a, COND_E, RBX));
    EXPECT("87c0", asm_xchg_rr(a, W32, RAX, RAX));
    EXPECT("f3480f2ac0", asm_cvtsi2s(a, F32, W64, XMM0, RAX));
    asm_fini(a);
}

static void align_pads_with_nops(void **) {
    for (u32 start = 0; start <= 32; start++) {
        struct assembler a;
        asm_init(&a);
        for (u32 i = 0; i < start; i++)
            asm_ret(&a);
        asm_align(&a, 32);
        assert_int_equal(a.len, start == 0 ? 0 : 32);
        if (start == 23)
            assert_memory_equal(a.code + 23, "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00", 9);
        asm_fini(&a);
    }
}

// -- Labels -------------------------------------------------------------------------------------

static void forward_uses_are_patched_when_bound(void **) {
    struct assembler a;
    struct label label = {0};
    asm_init(&a);
    asm_jmp(&a, &label);            // 0: e9 rel32, ends at 5
    asm_jcc(&a, COND_NE, &label);   // 5: 0f 85 rel32, ends at 11
    asm_call(&a, &label);           // 11: e8 rel32, ends at 16
    asm_lea_label(&a, R9, &label);  // 16: 4c 8d 0d rel32, ends at 23
    asm_bind(&a, &label);           // 23
    asm_lea_label(&a, RCX, &label); // 23: 48 8d 0d rel32, ends at 30
    asm_call(&a, &label);           // 30: ends at 35
    expect_bytes(&a, "chain",
                 "e912000000"
                 "0f850c000000"
                 "e807000000"
                 "4c8d0d00000000"
                 "488d0df9ffffff"
                 "e8f4ffffff");
    asm_fini(&a);
}

// What is behind the window stays as it is, whatever the encoders write.
static void a_window_is_written_last(void **) {
    struct assembler a;
    struct label label = {0};
    asm_init(&a);
    asm_nops(&a, 12);
    asm_ret(&a);
    asm_ud2(&a);
    struct asm_window window;
    asm_window_open(&a, &window, 0, 12);
    asm_store(&a, W64, mem_at(RBP, -8), RAX);
    asm_jcc(&a, COND_B, &label);
    asm_window_close(&a, &window);
    asm_bind(&a, &label);
    expect_bytes(&a, "window",
                 "488945f8"
                 "0f8205000000"
                 "6690"
                 "c3"
                 "0f0b");
    asm_fini(&a);
}

static void a_table_of_jumps_is_relative_to_each_entry(void **) {
    struct assembler a;
    struct label back = {0};
    struct label ahead = {0};
    asm_init(&a);
    asm_bind(&a, &back);
    asm_rel32(&a, &back);
    asm_rel32(&a, &ahead);
    asm_rel32(&a, &ahead);
    asm_bind(&a, &ahead);
    expect_bytes(&a, "table", "fcffffff0400000000000000");
    asm_fini(&a);
}

static void an_unused_label_binds(void **) {
    struct assembler a;
    struct label label = {0};
    asm_init(&a);
    asm_bind(&a, &label);
    assert_int_equal(a.len, 0);
    asm_jmp(&a, &label);
    expect_bytes(&a, "jump to itself", "ebfe");
    asm_fini(&a);
}

// A backward jump over `filler` bytes, from right behind them.
static u32 backward_jump_len(u32 filler, bool conditional) {
    struct assembler a;
    struct label label = {0};
    asm_init(&a);
    asm_bind(&a, &label);
    for (u32 i = 0; i < filler; i++)
        asm_ret(&a);
    if (conditional)
        asm_jcc(&a, COND_G, &label);
    else
        asm_jmp(&a, &label);
    u32 len = a.len - filler;
    i32 rel = len == 2 ? (i8)a.code[a.len - 1] : 0;
    if (len != 2)
        memcpy(&rel, a.code + a.len - 4, 4);
    assert_int_equal((i64)a.len + rel, 0);
    asm_fini(&a);
    return len;
}

static void backward_jumps_are_short_where_they_reach(void **) {
    assert_int_equal(backward_jump_len(0, false), 2);
    assert_int_equal(backward_jump_len(126, false), 2);
    assert_int_equal(backward_jump_len(127, false), 5);
    assert_int_equal(backward_jump_len(126, true), 2);
    assert_int_equal(backward_jump_len(127, true), 6);
    assert_int_equal(backward_jump_len(100000, true), 6);
}

static void open_fields_are_patched_later(void **) {
    struct assembler a;
    asm_init(&a);
    u32 call = asm_call_rel32(&a);                   // field at 1
    u32 jump = asm_jmp_rel32(&a);                    // field at 6
    u32 frame = asm_alu_ri32(&a, ALU_SUB, W64, RSP); // field at 13
    asm_patch_rel32(a.code, call, 10);
    asm_patch_rel32(a.code, jump, 0);
    asm_patch_u32(&a, frame, 0x1234);
    expect_bytes(&a, "patched", "e805000000e9f6ffffff4881ec34120000");
    // Room for four bytes is left even for the accumulator and a small value.
    asm_reset(&a);
    assert_int_equal(asm_alu_ri32(&a, ALU_ADD, W64, RAX), 3);
    expect_bytes(&a, "open", "4881c000000000");
    asm_fini(&a);
}

// -- Running out of memory ----------------------------------------------------------------------

// A unit that needs several growths of everything.
static void build_unit(struct code_unit *unit) {
    struct label ahead = {0};
    struct label back = {0};
    asm_bind(&unit->code, &back);
    asm_jmp(&unit->code, &ahead);
    for (u32 i = 0; i < 1000; i++) {
        asm_load(&unit->code, W64, RAX, mem_at(R12, (i32)i));
        asm_jcc(&unit->code, COND_E, &ahead);
        u32 frame = asm_alu_ri32(&unit->code, ALU_SUB, W64, RSP);
        asm_patch_u32(&unit->code, frame, i);
        code_unit_site(unit, i, 1000 - i, TRAP_UNREACHABLE);
        code_unit_call(unit, asm_call_rel32(&unit->code), i);
    }
    asm_bind(&unit->code, &ahead);
    asm_jmp(&unit->code, &back);
    asm_align(&unit->code, 64);
}

static void running_out_of_memory_is_sticky(void **) {
    u64 before = fake_host_bytes();
    u64 n = 1;
    for (;; n++) {
        struct code_unit unit;
        code_unit_init(&unit);
        fake_host_fail_nth(n);
        build_unit(&unit);
        bool failed = fake_host_failed();
        fake_host_fail_nth(0);
        assert_int_equal(unit.code.status, failed ? ERR_NO_MEMORY : OK);
        if (failed) {                        // memory is back, but the unit stays as it is
            for (u32 i = 0; i < 100000; i++) // goes nowhere
                asm_ret(&unit.code);
            code_unit_site(&unit, 0, 0, TRAP_NONE);
            code_unit_call(&unit, 0, 0);
            assert_int_equal(unit.code.status, ERR_NO_MEMORY);
            asm_reset(&unit.code);
            asm_ret(&unit.code);
            assert_int_equal(unit.code.status, OK);
            assert_int_equal(unit.code.len, 1);
        }
        code_unit_fini(&unit);
        assert_int_equal(fake_host_bytes(), before);
        if (!failed)
            break;
    }
    assert_in_range(n, 10, 100); // it did fail at several places
}

static void huge_code_is_refused(void **) {
    struct assembler a;
    asm_init(&a);
    static const u8 byte;
    asm_bytes(&a, &byte, (256u << 20) + 1);
    assert_int_equal(a.status, ERR_LIMIT);
    asm_fini(&a);
}

// -- Units --------------------------------------------------------------------------------------

static void a_unit_is_empty_after_a_reset(void **) {
    struct code_unit unit;
    code_unit_init(&unit);
    for (u32 i = 0; i < 3; i++) {
        build_unit(&unit);
        assert_int_equal(unit.code.status, OK);
        assert_int_equal(unit.site_count, 1000);
        assert_int_equal(unit.call_count, 1000);
        assert_int_equal(unit.calls[999].func, 999);
        code_unit_reset(&unit);
        assert_int_equal(unit.code.len, 0);
        assert_int_equal(unit.site_count, 0);
        assert_int_equal(unit.call_count, 0);
    }
    code_unit_fini(&unit);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_all(true);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operand_combination_is_encodable),
        cmocka_unit_test(encodings_are_the_manuals),
        cmocka_unit_test(align_pads_with_nops),
        cmocka_unit_test(forward_uses_are_patched_when_bound),
        cmocka_unit_test(a_window_is_written_last),
        cmocka_unit_test(a_table_of_jumps_is_relative_to_each_entry),
        cmocka_unit_test(an_unused_label_binds),
        cmocka_unit_test(backward_jumps_are_short_where_they_reach),
        cmocka_unit_test(open_fields_are_patched_later),
        cmocka_unit_test(running_out_of_memory_is_sticky),
        cmocka_unit_test(huge_code_is_refused),
        cmocka_unit_test(a_unit_is_empty_after_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
