// Copies that may touch program memory. A fault between the labels that `fixup` names either is repaired
// and the instruction continues (the string instructions keep their progress in registers), or the
// signal handler sets rax to a status and continues at the third label.

    .macro fixup from, to, resume
    .section fixups, "aR" // R: kept, though nothing but its ends is named
    .quad \from, \to, \resume
    .text
    .endm

    .text

// copy_guarded(to, from, len)
    .global copy_guarded
    .type copy_guarded, @function
copy_guarded:
    pushq %rbp
    movq %rsp, %rbp
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
1:  rep movsq
    movl %edx, %ecx
    rep movsb
2:  xorl %eax, %eax
3:  popq %rbp
    ret
    fixup 1b, 2b, 3b
    .size copy_guarded, . - copy_guarded

// fill_guarded(to, pattern of eight equal bytes, len)
    .global fill_guarded
    .type fill_guarded, @function
fill_guarded:
    pushq %rbp
    movq %rsp, %rbp
    movq %rsi, %rax
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
1:  rep stosq
    movl %edx, %ecx
    rep stosb
2:  xorl %eax, %eax
3:  popq %rbp
    ret
    fixup 1b, 2b, 3b
    .size fill_guarded, . - fill_guarded

    .section .note.GNU-stack, "", @progbits
