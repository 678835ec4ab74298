// The end, and what is printed before a bad one.

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/math.h"
#include "kernel/arch/hosted/hosted.h"

#define DEPTH_MAX     64u
#define STATUS_HALTED 101

void arch_power_off(u32 status) {
    arch_irq_save();
    console_stop();
    _exit((int)(status & 0xff));
}

// Nobody could look at a stopped process as one can at a stopped machine.
void arch_halt(void) {
    arch_power_off(STATUS_HALTED);
}

// -- Backtraces ---------------------------------------------------------------------------------

// The program's own file, for its symbols.
static struct bytes image;

static void image_open(void) {
    struct stat info;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        return;
    void *data = mmap(NULL, (usize)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data != MAP_FAILED)
        image = (struct bytes){data, (usize)info.st_size};
    close(fd);
}

// The section of that type; NULL when there is none.
static const Elf64_Shdr *section_find(u32 type) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image.data;
    if (image.len < sizeof *header ||
        !range_fits(header->e_shoff, (u64)header->e_shnum * sizeof(Elf64_Shdr), image.len))
        return NULL;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(image.data + header->e_shoff);
    for (u32 i = 0; i < header->e_shnum; i++) {
        bool fits = range_fits(sections[i].sh_offset, sections[i].sh_size, image.len);
        if (sections[i].sh_type == type && fits && sections[i].sh_link < header->e_shnum)
            return &sections[i];
    }
    return NULL;
}

// The function that `address` lies in, or NULL.
static const char *symbol_find(u64 address, u64 *offset) {
    const Elf64_Shdr *table = section_find(SHT_SYMTAB);
    if (table == NULL)
        return NULL;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image.data;
    const Elf64_Shdr *strings =
        &((const Elf64_Shdr *)(image.data + header->e_shoff))[table->sh_link];
    const Elf64_Sym *symbols = (const Elf64_Sym *)(image.data + table->sh_offset);
    for (u64 i = 0; i < table->sh_size / sizeof *symbols; i++) {
        const Elf64_Sym *symbol = &symbols[i];
        bool is_function = ELF64_ST_TYPE(symbol->st_info) == STT_FUNC;
        if (!is_function || address - symbol->st_value >= symbol->st_size ||
            symbol->st_name >= strings->sh_size)
            continue;
        *offset = address - symbol->st_value;
        return (const char *)image.data + strings->sh_offset + symbol->st_name;
    }
    return NULL;
}

static void print_address(u64 address) {
    // A return address may lie behind the last instruction of its function: look one byte earlier.
    u64 offset;
    const char *name = symbol_find(address - 1, &offset);
    if (name == NULL)
        console_print("  0x%016lx%s\n", address, is_in_code(address) ? " (a program)" : "");
    else
        console_print("  0x%016lx %s+0x%lx\n", address, name, offset + 1);
}

// Reads without the risk of a fault: the chain may be what is broken.
static bool frame_read(u64 fp, u64 frame[2]) {
    struct iovec local = {frame, 2 * sizeof *frame};
    struct iovec remote = {(void *)fp, 2 * sizeof *frame};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)local.iov_len;
}

void arch_backtrace_print(u64 fp) {
    if (image.data == NULL)
        image_open();
    for (u32 depth = 0; depth < DEPTH_MAX; depth++) {
        u64 frame[2];
        if (fp == 0 || fp % 8 != 0 || !frame_read(fp, frame) || frame[1] == 0)
            return;
        print_address(frame[1]);
        fp = frame[0];
    }
    console_print("  ...\n");
}

u64 arch_frame_address(void) {
    const u64 *own = __builtin_frame_address(0);
    return *own;
}
