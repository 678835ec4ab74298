// The switch from one stack to another.

    .text

// context_switch(u64 *from_sp, u64 to_sp): pushes what the C calling convention keeps, and returns
// on the other stack.
    .global context_switch
    .type context_switch, @function
context_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size context_switch, . - context_switch

// context_switch_aspace(u64 *from_sp, u64 to_sp, u64 cr3, u32 *from_loaded, u32 others): the same
// into another address space, in which the old stack is not mapped, nor the new one in the old.
// Then the CPU is taken out of those that run in the old one: what is unmapped there from now on
// does not concern it.
    .global context_switch_aspace
    .type context_switch_aspace, @function
context_switch_aspace:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rdx, %cr3
    movq %rsi, %rsp
    lock andl %r8d, (%rcx)
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size context_switch_aspace, . - context_switch_aspace

// Where a new context starts: entry in r12, argument in r13, rbp zero to end backtraces.
    .global context_start
    .type context_start, @function
context_start:
    movq %r13, %rdi
    call *%r12
    ud2
    .size context_start, . - context_start
