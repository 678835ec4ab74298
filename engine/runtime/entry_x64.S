// The way from C into generated code and back, and the helpers that must keep registers.
//
// Everything here runs in the kernel (no red zone, any address) and in a Linux process alike, and is
// position-independent. The stack pointer is 16-byte aligned at every call.

        .intel_syntax noprefix

// struct entry_call
#define CALL_XMMS       48
#define CALL_AREA       176
#define CALL_AREA_SLOTS 184
#define CALL_CODE       192
#define CALL_INSTANCE   200
#define CALL_THREAD     208
#define CALL_FUNC       216
#define CALL_RESULT_GPR 224
#define CALL_RESULT_XMM 232

// struct thread_block
#define THREAD_STACK_LIMIT 0
#define THREAD_ENTRY_SP    8
#define THREAD_TRAP        36

// struct func_ref, struct instance
#define FUNC_REF_CODE        0
#define FUNC_REF_CROSS_CODE  8
#define FUNC_REF_INSTANCE    16
#define FUNC_REF_HOST_CODE   32
#define INSTANCE_MEMORY_BASE 16

// struct unwind
#define UNWIND_PC       0
#define UNWIND_FP       8
#define UNWIND_SP       16
#define UNWIND_INSTANCE 24
#define UNWIND_BYTES    40

#define CROSS_RETURN_MARK 0x57801f0f

// What C expects to find unchanged: rbx rbp r12 to r15. Generated code keeps none but rbp, r14 and
// r15, so all are saved here.

        .text
        .globl  entry_enter
        .type   entry_enter, @function
        .balign 16
entry_enter:                            // u32 entry_enter(struct entry_call *rdi)
        push    rbp
        mov     rbp, rsp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi                     // [rbp - 48]; rsp is aligned now
        mov     rbx, rdi
        mov     r14, [rbx + CALL_THREAD]
        mov     r15, [rbx + CALL_INSTANCE]
        mov     [r14 + THREAD_ENTRY_SP], rsp

        mov     rcx, [rbx + CALL_AREA_SLOTS]
        lea     rax, [rcx * 8 + 15]
        and     rax, -16
        sub     rsp, rax
        mov     rsi, [rbx + CALL_AREA]
        mov     rdi, rsp
        cld
        rep movsq

        movups  xmm0, [rbx + CALL_XMMS + 0]
        movups  xmm1, [rbx + CALL_XMMS + 16]
        movups  xmm2, [rbx + CALL_XMMS + 32]
        movups  xmm3, [rbx + CALL_XMMS + 48]
        movups  xmm4, [rbx + CALL_XMMS + 64]
        movups  xmm5, [rbx + CALL_XMMS + 80]
        movups  xmm6, [rbx + CALL_XMMS + 96]
        movups  xmm7, [rbx + CALL_XMMS + 112]
        mov     rdi, [rbx + 0]
        mov     rsi, [rbx + 8]
        mov     rdx, [rbx + 16]
        mov     rcx, [rbx + 24]
        mov     r8, [rbx + 32]
        mov     r9, [rbx + 40]
        mov     rax, [rbx + CALL_FUNC]
        call    [rbx + CALL_CODE]

        mov     rbx, [rbp - 48]
        mov     [rbx + CALL_RESULT_GPR], rax
        movups  [rbx + CALL_RESULT_XMM], xmm0
        // The parameters have been popped: what lies at rsp are the results. rdx = bytes popped.
        mov     rcx, [rbx + CALL_AREA_SLOTS]
        lea     rdx, [rcx * 8 + 15]
        and     rdx, -16
        lea     rdx, [rdx + rsp + 48]
        sub     rdx, rbp
        mov     rsi, rsp
        mov     rdi, [rbx + CALL_AREA]
        add     rdi, rdx
        shr     rdx, 3
        sub     rcx, rdx
        rep movsq
        xor     eax, eax

.Lleave:                                // eax = trap, r14 = thread block
        mov     rsp, [r14 + THREAD_ENTRY_SP]
        pop     rdi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret
        .size   entry_enter, . - entry_enter

// A trap arrives here with the registers of the faulting instruction.
        .globl  entry_trap_exit
        .type   entry_trap_exit, @function
        .balign 16
entry_trap_exit:
        mov     rdi, r14
        mov     rsi, r15
        and     rsp, -16
        cld
        call    trap_capture
        mov     eax, [r14 + THREAD_TRAP]
        jmp     .Lleave
        .size   entry_trap_exit, . - entry_trap_exit

// Saves what a helper stub must keep and C may change, and aligns the stack.
        .macro  SAVE_REGISTERS
        push    rbp
        mov     rbp, rsp
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        sub     rsp, 128
        and     rsp, -16
        movaps  [rsp + 0], xmm0
        movaps  [rsp + 16], xmm1
        movaps  [rsp + 32], xmm2
        movaps  [rsp + 48], xmm3
        movaps  [rsp + 64], xmm4
        movaps  [rsp + 80], xmm5
        movaps  [rsp + 96], xmm6
        movaps  [rsp + 112], xmm7
        .endm

        .macro  RESTORE_REGISTERS
        movaps  xmm0, [rsp + 0]
        movaps  xmm1, [rsp + 16]
        movaps  xmm2, [rsp + 32]
        movaps  xmm3, [rsp + 48]
        movaps  xmm4, [rsp + 64]
        movaps  xmm5, [rsp + 80]
        movaps  xmm6, [rsp + 96]
        movaps  xmm7, [rsp + 112]
        lea     rsp, [rbp - 64]
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rbp
        .endm

        .globl  entry_stack_grow
        .type   entry_stack_grow, @function
        .balign 16
entry_stack_grow:                       // rax = lowest address -> eax = 0 or 1
        SAVE_REGISTERS
        mov     rdi, r14
        mov     rsi, rax
        call    host_stack_grow
        xor     al, 1                   // true is success
        movzx   eax, al
        RESTORE_REGISTERS
        ret
        .size   entry_stack_grow, . - entry_stack_grow

        .globl  entry_segment_set
        .type   entry_segment_set, @function
        .balign 16
entry_segment_set:                      // rax = base
        SAVE_REGISTERS
        mov     rdi, rax
        call    host_segment_base_set
        RESTORE_REGISTERS
        ret
        .size   entry_segment_set, . - entry_segment_set

        .globl  entry_tail_call
        .type   entry_tail_call, @function
        .balign 16
entry_tail_call:                        // rax = struct func_ref; [rsp] = return address
        mov     r11, [rsp]
        cmp     dword ptr [r11], CROSS_RETURN_MARK
        jne     .Lcross
        cmp     qword ptr [rax + FUNC_REF_HOST_CODE], 0
        jne     .Lcross                 // a host function runs as the caller
        mov     r11, [r15 + INSTANCE_MEMORY_BASE]
        mov     r15, [rax + FUNC_REF_INSTANCE]
        mov     rbx, rax
        mov     rax, [r15 + INSTANCE_MEMORY_BASE]
        cmp     rax, r11
        je      .Lsame
        sub     rsp, 8
        call    entry_segment_set
        add     rsp, 8
.Lsame:
        mov     rax, rbx
        jmp     [rax + FUNC_REF_CODE]
.Lcross:
        jmp     [rax + FUNC_REF_CROSS_CODE]
        .size   entry_tail_call, . - entry_tail_call

// A throw: C finds the landing (struct unwind, on the stack), and has returned before it is entered.
        .macro  THROW find
        push    r14                     // thread
        push    r15                     // instance
        push    0                       // sp
        push    rbp                     // fp
        push    [rsp + 32]              // pc: our return address
        mov     rdi, rsp                // aligned: 8 + 40 bytes below the frame
        cld
        call    \find
        test    eax, eax
        jnz     1f
        mov     rax, [rsp + UNWIND_PC]
        mov     rbp, [rsp + UNWIND_FP]
        mov     r15, [rsp + UNWIND_INSTANCE]
        mov     rsp, [rsp + UNWIND_SP]
        jmp     rax
1:      mov     edx, eax                // a helper's result: the trap
        xor     eax, eax
        add     rsp, UNWIND_BYTES
        ret
        .endm

        .globl  entry_throw
        .type   entry_throw, @function
        .balign 16
entry_throw:                            // rsi = tag index, rdx = payload
        THROW   exception_throw
        .size   entry_throw, . - entry_throw

        .globl  entry_throw_ref
        .type   entry_throw_ref, @function
        .balign 16
entry_throw_ref:                        // rsi = exception
        THROW   exception_throw_ref
        .size   entry_throw_ref, . - entry_throw_ref

        .section .note.GNU-stack, "", @progbits
