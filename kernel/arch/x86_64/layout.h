#pragma once
// Numbers that assembly, the linker script and C agree on. No C in here.
//
// Virtual memory, from the bottom:
//   0000_0080_0000_0000  slots: program memory and stacks (arch_slots_region)
//   ffff_8000_0000_0000  the kernel's zone of RAM (arch_frame_pointer)
//   ffff_9000_0000_0000  boot modules, read-only
//   ffff_a000_0000_0000  device memory (mmio_map)
//   ffff_b000_0000_0000  windows, a few per CPU
//   ffff_b080_0000_0000  stacks of the CPUs but the first
//   ffff_c000_0000_0000  large kernel memory (arch_heap_region)
//   ffff_ffff_8000_0000  the kernel image
//   ffff_ffff_a000_0000  code (arch_code_region), within 2 GiB of the kernel's functions

#define SLOTS_BASE           0x0000008000000000
#define SLOTS_END            0x00007f0000000000
#define DIRECT_MAP_BASE      0xffff800000000000
#define DIRECT_MAP_BYTES_MAX 0x1000000000 // 64 GiB
#define MODULES_BASE         0xffff900000000000
#define MMIO_BASE            0xffffa00000000000
#define MMIO_END             0xffffa08000000000
#define WINDOWS_BASE         0xffffb00000000000
#define CPU_STACKS_BASE      0xffffb08000000000
#define HEAP_BASE            0xffffc00000000000
#define HEAP_BYTES           0x10000000000 // 1 TiB: gaps are no worry
#define KERNEL_BASE          0xffffffff80000000
#define CODE_BASE            0xffffffffa0000000
#define CODE_BYTES           0x40000000

// The kernel is linked to run from this physical address; a boot loader may move it by a multiple
// of KERNEL_ALIGNMENT.
#define KERNEL_PHYS      0x200000
#define KERNEL_ALIGNMENT 0x200000

// How boot.S was entered: its first argument to boot_start.
#define BOOT_BY_MULTIBOOT2 1
#define BOOT_BY_PVH        2

#define BOOT_STACK_BYTES   0x8000

#define SELECTOR_CODE      0x08
#define SELECTOR_DATA      0x10
#define SELECTOR_TSS       0x18

// struct cpu
#define CPU_SELF            0
#define CPU_INTERRUPT_STACK 8

// struct smp_next
#define SMP_NEXT_CPU       0
#define SMP_NEXT_STACK_TOP 8

// struct trap_frame
#define FRAME_RAX   112
#define FRAME_RBP   80
#define FRAME_RIP   136
#define FRAME_BYTES 176

// struct vector_state
#define VECTOR_STATE_BYTES 0
#define VECTOR_STATE_MASK  8

// The first vector that is not a CPU exception.
#define VECTOR_IRQ_FIRST 32

// Wakes a CPU, or has it look whether to switch.
#define VECTOR_RESCHEDULE 0x22
#define MSR_X2APIC_END    0x80b // the end of an interrupt
