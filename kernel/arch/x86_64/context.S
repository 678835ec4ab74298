// Where contexts start, and the switch from one address space to another.

    .text

// context_switch_aspace(u64 *from_sp, u64 to_sp, u64 cr3, u32 *from_loaded, u32 others, void *passed):
// the switch of inline.h into another address space, in which the old stack is not mapped, nor the
// new one in the old. Then the CPU is taken out of those that run in the old one: what is unmapped
// there from now on does not concern it.
    .global context_switch_aspace
    .type context_switch_aspace, @function
context_switch_aspace:
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rbp
    pushq $1f
    movq %rsp, (%rdi)
    movq %rdx, %cr3
    movq %rsi, %rsp
    lock andl %r8d, (%rcx)
    movq %r9, %rax
    popq %rcx
    jmpq *%rcx
1:  popq %rbp // rax: what was passed
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    ret
    .size context_switch_aspace, . - context_switch_aspace

// Where a new context starts (arch_context_init): its entry and its argument are on the stack.
    .global context_start
    .type context_start, @function
context_start:
    xorl %ebp, %ebp // ends backtraces
    popq %rax
    popq %rdi
    call *%rax
    ud2
    .size context_start, . - context_start
