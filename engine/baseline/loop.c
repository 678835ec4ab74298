// What a loop does with its locals, found by reading ahead, to start it in a good state.
//
// Every iteration begins in the state that the first one found. So what an innermost loop uses is
// loaded before it; a local that it sets does not count as being at home as well, or each iteration
// would store it; what it does not use goes home when registers are short; and a loop that calls in
// every iteration begins with all at home, for that is where the call leaves them.
//
// A temporary is a local that each iteration sets before it reads it and before it may leave the
// loop. Nothing brings its value from one iteration to the next.
//
// Reading stops at the first call and at the first loop inside: a byte is read ahead only for the
// innermost loop around it, so the time stays linear in the function's size. What is read is not
// validated yet: indices are checked here, and the first malformed instruction ends it.

#include "engine/baseline/baseline_internal.h"

#define USES_MAX 24

// Registers of each kind that preloading leaves for the loop's own values.
#define GPRS_LEFT 4
#define XMMS_LEFT 6

struct use {
    u32 local;
    bool is_set;
    bool is_read_first;
    bool is_temporary;
};

struct loop_facts {
    bool is_whole;     // read to its end: no call, no loop, and all of its locals are in `uses`
    bool calls_always; // outside of any block in it
    bool exits;        // a branch may have left it so far
    u32 depth;         // of blocks in it, so far
    u32 use_count;
    struct use uses[USES_MAX];
};

static void note_use(struct loop_facts *facts, u32 local, bool is_set) {
    for (u32 i = 0; i < facts->use_count; i++) {
        if (facts->uses[i].local == local) {
            facts->uses[i].is_set |= is_set;
            return;
        }
    }
    if (facts->use_count < USES_MAX)
        facts->uses[facts->use_count] =
            (struct use){.local = local,
                         .is_set = is_set,
                         .is_read_first = !is_set,
                         .is_temporary = is_set && facts->depth == 0 && !facts->exits};
    facts->use_count++;
}

static void read_loop(const struct baseline *c, struct loop_facts *facts) {
    struct reader r = c->validator.reader;
    *facts = (struct loop_facts){0};
    while (r.status == OK && facts->use_count <= USES_MAX) {
        struct insn insn;
        insn_read(&r, c->decl, &insn);
        switch (insn.op) {
        case OP_LOOP:
        case OP_TRY:
        case OP_TRY_TABLE:
        case OP_THROW:
        case OP_THROW_REF:
        case OP_RETHROW:
            return;
        case OP_BLOCK:
        case OP_IF:
            facts->depth++;
            break;
        case OP_END:
            facts->is_whole = facts->depth == 0;
            if (facts->depth-- == 0)
                return;
            break;
        case OP_CALL:
        case OP_CALL_INDIRECT:
        case OP_MEMORY_GROW:
            facts->calls_always = facts->depth == 0;
            return;
        case OP_BR:
        case OP_BR_IF:
            facts->exits |= insn.index > facts->depth;
            break;
        case OP_BR_TABLE:
            facts->exits = true;
            break;
        case OP_LOCAL_GET:
        case OP_LOCAL_SET:
        case OP_LOCAL_TEE:
            if (insn.index >= c->validator.local_count)
                return;
            note_use(facts, insn.index, insn.op != OP_LOCAL_GET);
            break;
        default:
            break;
        }
    }
}

static bool is_used(const struct loop_facts *facts, u32 local) {
    u32 known = facts->use_count < USES_MAX ? facts->use_count : USES_MAX;
    for (u32 i = 0; i < known; i++) {
        if (facts->uses[i].local == local)
            return true;
    }
    return false;
}

// Locals of one register class that only sleep through a loop go home before it, when those that it
// uses need the registers: else each iteration would put them home and bring them back.
// mov [home], r ...
static void make_room(struct baseline *c, const struct loop_facts *facts, u32 mask, u32 left) {
    u32 wanted = left;
    u32 known = facts->use_count < USES_MAX ? facts->use_count : USES_MAX;
    for (u32 i = 0; i < known; i++)
        wanted += (type_mask(c->validator.locals[facts->uses[i].local]) & mask) != 0;
    u32 sleeping = 0;
    for (u32 held = c->locals & mask; held != 0; held &= held - 1) {
        u8 reg = (u8)__builtin_ctz(held);
        if (!is_used(facts, c->local_of[reg]))
            sleeping |= bit(reg);
    }
    if (wanted + (u32)__builtin_popcount(sleeping) > (u32)__builtin_popcount(mask))
        locals_evict(c, sleeping);
}

// mov r, [home]
static void preload(struct baseline *c, u32 local) {
    enum value_type type = c->validator.locals[local];
    u32 empty = type_mask(type) & ~c->used & ~c->locals;
    u32 left = value_type_is_float(type) ? XMMS_LEFT : GPRS_LEFT;
    if (c->local[local].reg == NO_REG && (u32)__builtin_popcount(empty) > left)
        local_load(c, local);
}

// The values that temporaries have before the loop are of no use.
static void set_temporaries(struct baseline *c, const struct loop_facts *facts) {
    ASSERT(c->temporary_block == 0);
    c->temporary_block = c->block_count - 1;
    c->loop_stamp++;
    for (u32 i = 0; i < facts->use_count; i++) {
        u32 local = facts->uses[i].local;
        if (!facts->uses[i].is_temporary)
            continue;
        c->local[local].temporary_of = c->loop_stamp;
        local_drop(c, local);
    }
}

void loop_end(struct baseline *c) {
    c->temporary_block = 0;
}

// What the loop reads before it writes comes first; what it only keeps results in, last.
static void preload_uses(struct baseline *c, const struct loop_facts *facts) {
    for (u32 i = 0; i < facts->use_count; i++) {
        if (facts->uses[i].is_read_first)
            preload(c, facts->uses[i].local);
    }
    for (u32 i = 0; i < facts->use_count; i++) {
        if (!facts->uses[i].is_temporary)
            preload(c, facts->uses[i].local);
    }
    for (u32 i = 0; i < facts->use_count; i++) {
        u8 reg = c->local[facts->uses[i].local].reg;
        if (facts->uses[i].is_set && reg != NO_REG)
            c->clean &= ~bit(reg);
    }
}

void loop_prepare(struct baseline *c) {
    struct loop_facts facts;
    read_loop(c, &facts);
    if (facts.calls_always) {
        locals_spill(c);
        locals_forget(c);
    } else if (facts.is_whole) {
        set_temporaries(c, &facts);
        make_room(c, &facts, GPR_MASK, GPRS_LEFT);
        make_room(c, &facts, XMM_MASK, XMMS_LEFT);
        preload_uses(c, &facts);
    }
}
