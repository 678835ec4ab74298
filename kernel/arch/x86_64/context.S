// Where a new context starts (arch_context_init): its entry and its argument are on the stack.

    .text

    .global context_start
    .type context_start, @function
context_start:
    xorl %ebp, %ebp // ends backtraces
    popq %rax
    popq %rdi
    call *%rax
    ud2
    .size context_start, . - context_start
