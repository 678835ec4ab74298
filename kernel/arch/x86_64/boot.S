// From the boot loader to C: Multiboot 2 (GRUB) and PVH (qemu -kernel, microVM monitors).
//
// Both enter here in 32-bit protected mode without paging, with ebx pointing at their information.
// The code runs wherever it was loaded (ebp holds the distance from where it was linked), builds
// boot page tables, and calls boot_start(how, info, distance) in long mode at the kernel's virtual
// address. The boot tables map the first 4 GiB twice, at 0 and at DIRECT_MAP_BASE, so that C can use
// its final addresses from the start; paging.c replaces them.
//
// ebp: distance    edi: BOOT_BY_...    esi: physical address of the information

#include "kernel/arch/x86_64/layout.h"

#define PHYS(symbol)       (symbol - KERNEL_BASE)
#define MULTIBOOT2_MAGIC   0xe85250d6
#define MULTIBOOT2_ENTERED 0x36d76289

#define PAGE_PRESENT_WRITE 0x03
#define PAGE_LARGE         0x83

#define CR0_PE             (1 << 0)
#define CR0_MP             (1 << 1)
#define CR0_EM             (1 << 2)
#define CR0_WP             (1 << 16)
#define CR0_PG             (1 << 31)
#define CR4_PAE            (1 << 5)
#define MSR_EFER           0xc0000080
#define EFER_LME           (1 << 8)

// -- What boot loaders look for ----------------------------------------------------------------

    .section .multiboot, "a"
    .balign 8
multiboot_header:
    .long MULTIBOOT2_MAGIC
    .long 0 // i386, protected mode
    .long multiboot_header_end - multiboot_header
    .long -(MULTIBOOT2_MAGIC + 0 + (multiboot_header_end - multiboot_header))

    .balign 8
    .short 6, 0 // modules start on page boundaries
    .long 8

    .balign 8
    .short 5, 1 // a framebuffer, if there is one
    .long 20
    .long 1024, 768, 32

    .balign 8
    .short 10, 0 // may be loaded elsewhere: lowest and highest address, alignment, low is better
    .long 24
    .long KERNEL_PHYS, 0x7fffffff, KERNEL_ALIGNMENT, 1

    .balign 8
    .short 0, 0
    .long 8
multiboot_header_end:

    .section .note.pvh, "a", @note
    .balign 4
    .long 4  // length of the name
    .long 8  // length of the description
    .long 18 // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad PHYS(pvh_entry)

// -- 32-bit code ---------------------------------------------------------------------------------

    .section .boot.text, "ax"
    .code32

    .global multiboot_entry
multiboot_entry:
    cmpl $MULTIBOOT2_ENTERED, %eax
    jne 1f
    movl $BOOT_BY_MULTIBOOT2, %edi
    jmp boot_entry
1:  movl $0, %edi // boot_start says that it does not know this loader
    jmp boot_entry

    .global pvh_entry
pvh_entry:
    movl $BOOT_BY_PVH, %edi

boot_entry:
    cli
    cld
    movl %ebx, %esi
    // There is no stack yet; the call borrows a word of the loader's information.
    movl 4(%ebx), %edx
    leal 8(%ebx), %esp
    call 1f
1:  popl %ebp
    movl %edx, 4(%ebx)
    subl $PHYS(1b), %ebp
    rdtsc
    movl %eax, PHYS(boot_entry_tsc)(%ebp)
    movl %edx, PHYS(boot_entry_tsc) + 4(%ebp)
    leal PHYS(boot_stack_top)(%ebp), %esp

    call require_long_mode
    call build_boot_tables

    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    leal PHYS(boot_pml4)(%ebp), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    andl $~CR0_EM, %eax
    orl $(CR0_PE | CR0_MP | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0

    // lgdt takes its operand from memory: ten bytes on the stack.
    leal PHYS(boot_gdt)(%ebp), %eax
    pushl $0
    pushl %eax
    pushw $(boot_gdt_end - boot_gdt - 1)
    lgdt (%esp)
    pushl $SELECTOR_CODE
    leal PHYS(entry64)(%ebp), %eax
    pushl %eax
    lret

// Ends with a message when the CPU has no long mode. Keeps ebp, edi, esi.
require_long_mode:
    pushfl // CPUID is there when EFLAGS.ID can be changed
    popl %eax
    movl %eax, %ecx
    xorl $(1 << 21), %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    xorl %ecx, %eax
    testl $(1 << 21), %eax
    jz no_long_mode

    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx
    jz no_long_mode
    ret

no_long_mode:
    leal PHYS(no_long_mode_text)(%ebp), %esi
    movl $0xb8000, %edi
    movw $0x3f8 + 3, %dx // 8 bits, no parity, one stop bit; the firmware's speed
    movb $3, %al
    outb %al, %dx
1:  lodsb
    testb %al, %al
    jz 3f
    movb $0x4f, %ah // white on red
    movw %ax, (%edi)
    addl $2, %edi
    movb %al, %bl
    movl $100000, %ecx
2:  movw $0x3f8 + 5, %dx // wait for room, but not for ever
    inb %dx, %al
    testb $0x20, %al
    loopz 2b
    movb %bl, %al
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
3:  cli
    hlt
    jmp 3b

// PML4 -> PDPT -> four directories of 2 MiB pages for the first 4 GiB, and one directory for the
// kernel image. Keeps ebp, edi, esi.
build_boot_tables:
    leal PHYS(boot_pdpt_low) + PAGE_PRESENT_WRITE(%ebp), %eax
    movl %eax, PHYS(boot_pml4)(%ebp)
    movl %eax, PHYS(boot_pml4) + 8 * ((DIRECT_MAP_BASE >> 39) & 511)(%ebp)
    leal PHYS(boot_pdpt_high) + PAGE_PRESENT_WRITE(%ebp), %eax
    movl %eax, PHYS(boot_pml4) + 8 * ((KERNEL_BASE >> 39) & 511)(%ebp)
    leal PHYS(boot_pd_kernel) + PAGE_PRESENT_WRITE(%ebp), %eax
    movl %eax, PHYS(boot_pdpt_high) + 8 * ((KERNEL_BASE >> 30) & 511)(%ebp)

    leal PHYS(boot_pd_low) + PAGE_PRESENT_WRITE(%ebp), %eax
    xorl %ecx, %ecx
1:  movl %eax, PHYS(boot_pdpt_low)(%ebp, %ecx, 8)
    addl $4096, %eax
    incl %ecx
    cmpl $4, %ecx
    jne 1b

    movl $PAGE_LARGE, %eax
    xorl %ecx, %ecx
1:  movl %eax, PHYS(boot_pd_low)(%ebp, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $2048, %ecx
    jne 1b

    leal PAGE_LARGE(%ebp), %eax
    xorl %ecx, %ecx
1:  movl %eax, PHYS(boot_pd_kernel)(%ebp, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $256, %ecx
    jne 1b
    ret

// -- 64-bit code ---------------------------------------------------------------------------------

    .code64
entry64:
    movabsq $1f, %rax
    jmp *%rax
1:  movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    lldt %ax
    movq $boot_stack_top, %rsp
    movl %ebp, %edx // distance; writing the halves clears the upper ones
    movl %edi, %edi
    movl %esi, %esi
    xorl %ebp, %ebp // the end of every backtrace
    call boot_start
1:  cli
    hlt
    jmp 1b

    .section .rodata
no_long_mode_text:
    .asciz "Kwast: this CPU has no 64-bit mode (long mode); Kwast needs x86-64-v2."

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdt_end:

// The stack that the kernel starts on, above a page that is not mapped later.
    .section .bss.guarded, "aw", @nobits
    .balign 4096
    .global boot_stack_guard
boot_stack_guard:
    .skip 4096
    .skip BOOT_STACK_BYTES
    .global boot_stack_top
boot_stack_top:

    .section .bss
    .balign 8
    .global boot_entry_tsc
boot_entry_tsc:
    .skip 8

    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt_low:
    .skip 4096
boot_pdpt_high:
    .skip 4096
boot_pd_low:
    .skip 4 * 4096
boot_pd_kernel:
    .skip 4096
