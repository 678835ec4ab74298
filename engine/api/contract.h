#pragma once
// What generated code promises and expects: the agreement between both compilers, the run-time
// system, the embedder, and (later) the machine-code verifier. Nothing here is private to one side.
//
// REGISTERS in generated code
//   r15       the running instance (struct instance); never written by generated functions
//   r14       the thread block (struct thread_block); never written by generated functions
//   rbp       frame pointer: every function keeps the chain [rbp] = caller's rbp, [rbp+8] = return
//   rsp       16-byte aligned at every call instruction; no red zone
//   the rest  caller-saved, without exception; the direction flag is clear
//   segment   FS (kernel) or GS (host): base = memory_base of r15's memory 0
//   An i32 held in a general register always has its upper 32 bits zero, in arguments and results
//   too. Every instruction that produces an i32 writes a 32-bit register.
//
// CALLS (assigned by engine/decode/callconv.h)
//   integer and reference parameters: rdi rsi rdx rcx r8 r9; f32, f64, v128: xmm0 to xmm7;
//   the others on the stack, in order, eight bytes each (v128: sixteen, aligned to eight), the
//   first at [rsp] before the call.
//   Results: the first integer or reference in rax, the first float or v128 in xmm0; the others on
//   the stack, in order, above the stack parameters, which are rounded up to sixteen bytes for it.
//   The caller makes room for both. The callee pops the (rounded) stack parameters: after the call
//   the results are at [rsp], whatever function it was that returned.
//   A call through a reference has the struct func_ref in rax at the call instruction.
//
// TAIL CALLS
//   A function that ends in a call gives up its frame first. The new stack parameters are put below
//   where its own ended, so that the results come to lie where its caller expects them; below these
//   the return address; rbp is the caller's again; then it jumps. As callees pop, the two may have
//   stack parameters of any size, and the stack does not grow. What is below, its own frame,
//   has held the same parameters as an outgoing area before, so there is room.
//   A tail call that may leave the instance jumps to HELPER_TAIL_CALL.
//
// REFERENCES
//   A function reference is the address of a struct func_ref, null is 0. `code` may be entered only
//   with r15 == instance; `cross_code` from any instance: it is the stub that saves r15 and the
//   segment base, sets the callee's, calls, and puts the caller's back; for a host function both
//   are the thunk of its type. Only these stubs, the entry stub and HELPER_TAIL_CALL ever change
//   r15 or the segment base. An external reference is any 64-bit value that is not 0, null is 0.
//
// MEMORY
//   Memory 0 is reached through the segment base only. A slot is reserved from memory_base up to
//   MEMORY_SLOT_BYTES, all of it inaccessible beyond the memory's current size. So an access needs
//   no check when the 32-bit index is zero-extended, the static offset is less than
//   MEMORY_GUARD_BYTES - 16, and 64-bit addressing is used; with offset 0 the address-size prefix
//   may be used instead. Larger offsets are added with a carry check.
//
// STACK
//   A prologue checks rsp - frame size against thread_block.stack_limit (a frame of at most
//   STACK_SLACK_BYTES may compare rsp itself) and calls HELPER_STACK_GROW when it is below. A
//   function with a frame of at most STACK_SLACK_BYTES that calls nothing need not check. Below
//   the limit there always are STACK_HEADROOM_BYTES of committed stack for helpers, host functions
//   and interrupts.
//
// EXCEPTIONS
//   Entering a try costs nothing. HELPER_THROW walks the frames from the throwing function upwards
//   and looks up each return address in its code object's guards: a guarded call lies in a try,
//   tries name the ones around them and their catches. Behind the first catch that matches the tag
//   lies the landing, where it continues with rbp = that frame, rsp = rbp - frame_bytes, and r15
//   and the segment base of that frame's instance (which the frames of the cross-call stubs tell);
//   no other register has a value there. Nothing changes before a catch is found: an exception that
//   nobody catches is a trap of the throwing instruction. No frame between is run or looked into,
//   and none is C's: host functions return before anything is thrown. So at a guarded call every
//   local and every operand below those of the try is at home. What an exception carries lies in
//   memory as operands lie in their homes, from the first value downwards: `payload_slots` of eight
//   bytes. A landing finds it in its frame at payload_slot, the reference, where it is asked for,
//   at ref_slot; slot s ends at rbp - 8 * s. An exception reference is the address of a struct
//   exception of the store, null is 0. Only catches make them, and they are kept while a frame of
//   the running thread, a global, a table or another exception that is kept has them
//   (engine/runtime/exception.h).
//
// TRAPS
//   An instruction that may fault, and each ud2, has a site (code offset, bytecode offset, trap).
//   TRAP_DYNAMIC at a site says that the trap is in thread_block.pending_trap.

#include "base/assert.h"
#include "base/types.h"

#define WASM_PAGE_BYTES      (64 * KIB)
#define MEMORY_MAX_PAGES     65536u
#define MEMORY_GUARD_BYTES   (64 * MIB)
#define MEMORY_SLOT_BYTES    (4 * GIB + MEMORY_GUARD_BYTES)

#define STACK_SLACK_BYTES    256u
#define STACK_HEADROOM_BYTES (16 * KIB)

// Why a program was stopped. The text is what people read (and what the specification's scripts
// compare, where they name one).
#define TRAP_LIST(X)                                                                               \
    X(TRAP_NONE, "no trap")                                                                        \
    X(TRAP_UNREACHABLE, "unreachable")                                                             \
    X(TRAP_MEMORY_BOUNDS, "out of bounds memory access")                                           \
    X(TRAP_TABLE_BOUNDS, "out of bounds table access")                                             \
    X(TRAP_UNDEFINED_ELEMENT, "undefined element")                                                 \
    X(TRAP_UNINITIALIZED_ELEMENT, "uninitialized element")                                         \
    X(TRAP_INDIRECT_TYPE, "indirect call type mismatch")                                           \
    X(TRAP_DIVIDE_BY_ZERO, "integer divide by zero")                                               \
    X(TRAP_INTEGER_OVERFLOW, "integer overflow")                                                   \
    X(TRAP_INVALID_CONVERSION, "invalid conversion to integer")                                    \
    X(TRAP_STACK_OVERFLOW, "call stack exhausted")                                                 \
    X(TRAP_OUT_OF_MEMORY, "out of memory")                                                         \
    X(TRAP_UNALIGNED_ATOMIC, "unaligned atomic")                                                   \
    X(TRAP_EXPECTED_SHARED, "expected shared memory")                                              \
    X(TRAP_NULL_EXCEPTION, "null exception reference")                                             \
    X(TRAP_EXCEPTION, "uncaught exception")                                                        \
    X(TRAP_READ_ONLY, "store to read-only memory")                                                 \
    X(TRAP_DYNAMIC, "(see pending trap)")                                                          \
    X(TRAP_KILLED, "killed")                                                                       \
    X(TRAP_EXIT, "exit")     /* not an error: the program asked to end */                          \
    X(TRAP_PAUSED, "paused") /* of host functions only: it goes on after host_pause */

enum trap {
#define X(name, text) name,
    TRAP_LIST(X)
#undef X
        TRAP_COUNT
};

// A text for `trap`; never NULL.
const char *trap_text(enum trap trap);

// Links a place in the code to the instruction it came from. For an instruction that may trap,
// code_offset is its own start; for a call it is the return address and trap is TRAP_NONE.
struct code_site {
    u32 code_offset;
    u32 wasm_offset; // into the module's bytes
    enum trap trap : 8;
};

#define NO_TRY   UINT32_MAX
#define NO_CATCH UINT32_MAX
#define NO_SLOT  UINT32_MAX
#define ANY_TAG  UINT32_MAX

// A call inside a try, by its return address.
struct code_guard {
    u32 code_offset;
    u32 innermost; // index of the try
};

struct code_try {
    u32 outer; // where an exception goes that no catch matches: a try around this one, or NO_TRY
    u32 first_catch;
    u32 last_catch;
    u32 frame_bytes;  // of the function
    bool is_guarding; // some call or another try's exceptions may come here
};

struct code_catch {
    u32 next;    // of the same try, or NO_CATCH
    u32 tag;     // index in the module, or ANY_TAG: which delivers no payload
    u32 landing; // code offset
    u32 payload_slot;
    u32 ref_slot; // or NO_SLOT
};

struct instance;
struct module;
struct tag;
struct trap_report;
struct instance_state;

// What belongs to a thread and not to an instance; r14 points to it. Allocated by the embedder,
// zeroed, with stack_limit set.
struct thread_block {
    u64 stack_limit;            // lowest address that rsp less the frame may reach: committed
    u64 entry_sp;               // rsp in the entry stub, to unwind to; 0: not in WebAssembly
    u64 trap_pc;                // where the trap happened, set before unwinding
    u64 trap_fp;                // rbp at that moment
    u32 pending_trap;           // enum trap for TRAP_DYNAMIC sites
    u32 trap;                   // enum trap being unwound with
    const struct tag *thrown;   // of the exception that nobody caught, with TRAP_EXCEPTION
    struct trap_report *report; // filled in when a trap unwinds, unless NULL
    void *owner;                // the embedder's thread
};

#define THREAD_STACK_LIMIT  0
#define THREAD_ENTRY_SP     8
#define THREAD_TRAP_PC      16
#define THREAD_TRAP_FP      24
#define THREAD_PENDING_TRAP 32
#define THREAD_TRAP         36
STATIC_ASSERT(offsetof(struct thread_block, stack_limit) == THREAD_STACK_LIMIT, "generated code");
STATIC_ASSERT(offsetof(struct thread_block, entry_sp) == THREAD_ENTRY_SP, "entry stub");
STATIC_ASSERT(offsetof(struct thread_block, trap_pc) == THREAD_TRAP_PC, "entry stub");
STATIC_ASSERT(offsetof(struct thread_block, trap_fp) == THREAD_TRAP_FP, "entry stub");
STATIC_ASSERT(offsetof(struct thread_block, pending_trap) == THREAD_PENDING_TRAP, "generated code");
STATIC_ASSERT(offsetof(struct thread_block, trap) == THREAD_TRAP, "entry stub");

// A function as a value.
struct func_ref {
    const void *code;          // entry when r15 == instance
    const void *cross_code;    // entry from anywhere else
    struct instance *instance; // of a host function: the one that hands it on, or NULL
    u32 type_id;               // engine-wide canonical type number
    u32 func_index;            // in its module; for messages
    const void *host_code;     // host_func or host_direct, or NULL: what tells a host function
    union {
        void *host_context; // host function only
        struct {            // others: what its type passes on the stack, in slots, for `cross_code`
            u32 stack_params;
            u32 stack_results;
        };
    };
};

#define FUNC_REF_CODE         0
#define FUNC_REF_CROSS_CODE   8
#define FUNC_REF_INSTANCE     16
#define FUNC_REF_TYPE_ID      24
#define FUNC_REF_HOST_CODE    32
#define FUNC_REF_HOST_CONTEXT 40
#define FUNC_REF_STACK_PARAMS 40 // and results behind, as one eight-byte word
#define FUNC_REF_BYTES        48
STATIC_ASSERT(offsetof(struct func_ref, code) == FUNC_REF_CODE, "generated code");
STATIC_ASSERT(offsetof(struct func_ref, cross_code) == FUNC_REF_CROSS_CODE, "generated code");
STATIC_ASSERT(offsetof(struct func_ref, instance) == FUNC_REF_INSTANCE, "generated code");
STATIC_ASSERT(offsetof(struct func_ref, type_id) == FUNC_REF_TYPE_ID, "generated code");
STATIC_ASSERT(offsetof(struct func_ref, host_code) == FUNC_REF_HOST_CODE, "thunks");
STATIC_ASSERT(offsetof(struct func_ref, host_context) == FUNC_REF_HOST_CONTEXT, "thunks");
STATIC_ASSERT(offsetof(struct func_ref, stack_params) == FUNC_REF_STACK_PARAMS, "thunks");
STATIC_ASSERT(offsetof(struct func_ref, stack_results) == FUNC_REF_STACK_PARAMS + 4, "thunks");
STATIC_ASSERT(sizeof(struct func_ref) == FUNC_REF_BYTES, "instance layout");

// The parts of a linear memory that generated code reads. `bytes` changes under memory.grow, of a
// shared memory at any time: it only grows, and C reads it by memory_bytes.
struct memory {
    u64 base;
    u64 bytes;     // current size, a multiple of WASM_PAGE_BYTES
    u64 max_pages; // declared maximum, or the most that its addresses allow
    void *owner;   // the store's owner, for the host
    bool has_max;  // whether one was declared (import matching)
    bool is_shared;
    bool is64; // addressed by i64
};

#define MEMORY_BASE  0
#define MEMORY_BYTES 8
STATIC_ASSERT(offsetof(struct memory, base) == MEMORY_BASE, "generated code");
STATIC_ASSERT(offsetof(struct memory, bytes) == MEMORY_BYTES, "generated code");

static inline u64 memory_bytes(const struct memory *memory) {
    return __atomic_load_n(&memory->bytes,
                           __ATOMIC_ACQUIRE); // pairs with the release in memory_grow
}

// A table of references, eight bytes each (struct func_ref * or an external value).
struct table {
    u64 *elements;
    u64 size;
    u64 max_size; // declared maximum, or the most that its indices allow
    void *owner;  // the store's owner, for the host
    u32 capacity;
    u8 type; // enum value_type
    bool has_max;
    bool is64; // indexed by i64
};

#define TABLE_ELEMENTS 0
#define TABLE_SIZE     8
STATIC_ASSERT(offsetof(struct table, elements) == TABLE_ELEMENTS, "generated code");
STATIC_ASSERT(offsetof(struct table, size) == TABLE_SIZE, "generated code");

// What an exception is known by: the same tag is the same address, in every instance that imports
// it.
struct tag {
    u32 type_id; // canonical number of its type; the parameters are what the exception carries
    u32 payload_slots;
};

// The head of an instance. Behind it, at the offsets that engine/decode/layout.h computes from the
// module: pointers to memories (memory 0 too), to tables and to tags, pointers to imported
// functions' references, pointers to globals, the cells of own globals, and the references of own
// functions that are used as values.
struct instance {
    const void *const *helpers; // C entry points, indexed by enum helper
    struct memory *memory;      // memory 0, or NULL
    u64 memory_base;            // the segment base to run with; 0 without a memory
    struct module *module;
    struct store *store;
    void *owner;                  // the store's owner: the embedder's process
    struct instance_state *state; // the run-time system's own
    u64 reserved;
};

#define INSTANCE_HELPERS     0
#define INSTANCE_MEMORY      8
#define INSTANCE_MEMORY_BASE 16
#define INSTANCE_OWNER       40
#define INSTANCE_HEAD_BYTES  64
STATIC_ASSERT(offsetof(struct instance, helpers) == INSTANCE_HELPERS, "generated code");
STATIC_ASSERT(offsetof(struct instance, memory) == INSTANCE_MEMORY, "generated code");
STATIC_ASSERT(offsetof(struct instance, memory_base) == INSTANCE_MEMORY_BASE, "generated code");
STATIC_ASSERT(offsetof(struct instance, owner) == INSTANCE_OWNER, "thunks");
STATIC_ASSERT(sizeof(struct instance) == INSTANCE_HEAD_BYTES, "instance layout");

// C functions that generated code calls, by the System V convention, as
//     mov rax, [r15 + INSTANCE_HELPERS]; call [rax + 8 * HELPER_X]
// with (instance, a, b, c, d, e) in rdi rsi rdx rcx r8 r9. They return struct helper_result: the
// value in rax and an enum trap in edx; generated code stores a trap that is not TRAP_NONE into
// thread_block.pending_trap and executes a TRAP_DYNAMIC ud2. Operands are zero-extended.
struct helper_result {
    u64 value;
    u64 trap;
};

#define HELPER_LIST(X)                                                                             \
    X(HELPER_MEMORY_GROW) /* (memory, pages) -> old size in pages, or -1 of its address type */    \
    X(HELPER_MEMORY_INIT) /* (memory, segment, to, from, count) */                                 \
    X(HELPER_DATA_DROP)   /* (segment) */                                                          \
    X(HELPER_TABLE_GROW)  /* (table, value, count) -> old size, or -1 of its index type */         \
    X(HELPER_TABLE_FILL)  /* (table, at, value, count) */                                          \
    X(HELPER_TABLE_COPY)  /* (to table, from table, to, from, count) */                            \
    X(HELPER_TABLE_INIT)  /* (table, segment, to, from, count) */                                  \
    X(HELPER_ELEM_DROP)   /* (segment) */                                                          \
    X(HELPER_STACK_GROW)  /* special: see below */                                                 \
    X(HELPER_SEGMENT_SET) /* special: see below */                                                 \
    X(HELPER_TAIL_CALL)   /* special: see below */                                                 \
    X(HELPER_WAIT32)      /* (memory, offset, index, expected, timeout) -> host_wait_result */     \
    X(HELPER_WAIT64)      /* likewise */                                                           \
    X(HELPER_NOTIFY)      /* (memory, offset, index, count) -> how many were woken */              \
    X(HELPER_THROW)       /* special: see below */                                                 \
    X(HELPER_THROW_REF)   /* special: see below */                                                 \
    X(HELPER_PAUSE)       /* special: see below */

enum helper {
#define X(name) name,
    HELPER_LIST(X)
#undef X
        HELPER_COUNT
};

// HELPER_STACK_GROW is an assembly stub: rax = the lowest address that the frame needs. It returns
// with eax = 0 when thread_block.stack_limit is now at or below that address, or 1: then the caller
// executes its TRAP_STACK_OVERFLOW ud2.
//
// HELPER_SEGMENT_SET is an assembly stub for the cross-call stubs: rax = the segment base to run
// with. Both of these keep rcx rdx rsi rdi r8 to r11, xmm0 to xmm7 and what C preserves.

// HELPER_TAIL_CALL is an assembly stub to jump to, with rax = a struct func_ref and everything else
// as at its entry. When the return address is in a cross-call stub, which puts r15 and the segment
// back anyway, it sets the callee's and enters `code`: so tail calls between instances do not grow
// the stack either. Else it enters `cross_code`. A cross-call stub is known by the instruction that
// it returns to, nop dword [rax + disp32] of the bytes CROSS_RETURN_MARK and three more; nothing
// else that is returned to begins so.
#define CROSS_RETURN_MARK 0x57801f0fu

// HELPER_PAUSE () gives a trap in eax, or TRAP_NONE: host_pause, for the thunks of host functions.

// HELPER_THROW (_, tag, address of the payload) and HELPER_THROW_REF (_, exception or null) are
// assembly stubs. They return only when nothing catches, with a trap like any other helper.

// A host function. `values` holds the arguments, one slot each (v128: two), in order, and takes the
// results.
// i32 results are zero-extended by the thunk. Returns TRAP_NONE, or the trap to end with. It must
// not call back into WebAssembly on the same stack.
typedef enum trap (*host_func)(struct instance *caller, u64 *values, void *context);

// A host function that is called with little in between, for types of up to HOST_DIRECT_PARAMS
// parameters, all of them integers, and one result, an i32: the arguments come where generated code
// has them anyway, which is where C wants them. i32 arguments are zero-extended, and so is the
// result by the thunk. It knows neither its caller nor a context; the rest is as above.
#define HOST_DIRECT_PARAMS 6u
typedef struct helper_result (*host_direct)(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
