// Copies that may touch program memory. A fault between the two labels of a copy either is repaired
// and the instruction continues (the string instructions keep their progress in registers), or the
// signal handler sets rax to a status and continues at the third label.

    .text

// copy_guarded(to, from, len)
    .global copy_guarded, copy_start, copy_end, copy_fail
    .type copy_guarded, @function
copy_guarded:
    pushq %rbp
    movq %rsp, %rbp
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
copy_start:
    rep movsq
    movl %edx, %ecx
    rep movsb
copy_end:
    xorl %eax, %eax
copy_fail:
    popq %rbp
    ret
    .size copy_guarded, . - copy_guarded

// fill_guarded(to, pattern of eight equal bytes, len)
    .global fill_guarded, fill_start, fill_end, fill_fail
    .type fill_guarded, @function
fill_guarded:
    pushq %rbp
    movq %rsp, %rbp
    movq %rsi, %rax
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
fill_start:
    rep stosq
    movl %edx, %ecx
    rep stosb
fill_end:
    xorl %eax, %eax
fill_fail:
    popq %rbp
    ret
    .size fill_guarded, . - fill_guarded

    .section .note.GNU-stack, "", @progbits
