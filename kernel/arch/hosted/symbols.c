// Compiled functions by name, for Linux's perf and for gdb.
//
//   perf   reads /tmp/perf-PID.map after the run: one line a function, never taken back ("perf map
//          file", tools/perf/Documentation/jit-interface.txt of Linux).
//   gdb    stops at __jit_debug_register_code and reads an ELF file that the descriptor points at
//          (GDB manual, "JIT Compilation Interface"). Each piece of code has one, with symbols
//          only; frames are found by the frame pointer.

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/arch/hosted/hosted.h"

static struct {
    pthread_mutex_t lock; // of what follows and the descriptor
    bool is_gdb;
    FILE *perf_map; // NULL: not wanted
} tools = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool arch_symbols_wanted(void) {
    return tools.is_gdb || tools.perf_map != NULL;
}

// -- perf ---------------------------------------------------------------------------------------

static void perf_start(void) {
    char path[32];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    unlink(path); // of an older process of that number
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    tools.perf_map = fd < 0 ? NULL : fdopen(fd, "w");
    if (tools.perf_map == NULL)
        start_fail("%s: %s", path, strerror(errno));
}

static void perf_publish(const struct arch_symbol *symbols, u32 count) {
    for (u32 i = 0; i < count; i++)
        fprintf(tools.perf_map, "%lx %lx %.*s\n", symbols[i].start, symbols[i].bytes,
                (int)symbols[i].name.len, (const char *)symbols[i].name.data);
    fflush(tools.perf_map);
}

// -- gdb ----------------------------------------------------------------------------------------

enum jit_action : u32 { JIT_NOACTION, JIT_REGISTER, JIT_UNREGISTER };

struct jit_entry {
    struct jit_entry *next;
    struct jit_entry *previous;
    const u8 *file;
    u64 file_bytes;
    // gdb knows no more than the above.
    u64 start;
};

struct jit_descriptor {
    u32 version;
    enum jit_action action;
    struct jit_entry *relevant;
    struct jit_entry *first;
};

// The names that gdb looks for.
struct jit_descriptor __jit_debug_descriptor = {.version = 1};

[[gnu::noinline]] void __jit_debug_register_code(void) {
    __asm__ volatile("" ::: "memory"); // gdb has a breakpoint here
}

static void jit_tell(enum jit_action action, struct jit_entry *entry) {
    __jit_debug_descriptor.action = action;
    __jit_debug_descriptor.relevant = entry;
    __jit_debug_register_code();
    __jit_debug_descriptor.action = JIT_NOACTION;
}

enum section { SECTION_NULL, SECTION_TEXT, SECTION_SYMBOLS, SECTION_NAMES, SECTION_COUNT };

// The file: these headers, then the symbols, then their names.
struct jit_file {
    Elf64_Ehdr header;
    Elf64_Shdr sections[SECTION_COUNT];
    Elf64_Sym symbols[]; // the first one is null
};

// Names of sections, ahead of those of symbols; the first one is empty.
static const char section_names[] = "\0.text\0.symtab\0.strtab";
enum { NAME_TEXT = 1, NAME_SYMBOLS = 7, NAME_NAMES = 15 };

static void fill_headers(struct jit_file *file, u64 start, u64 bytes, u32 count, u64 names_bytes) {
    file->header = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = offsetof(struct jit_file, sections),
        .e_ehsize = sizeof file->header,
        .e_shentsize = sizeof file->sections[0],
        .e_shnum = SECTION_COUNT,
        .e_shstrndx = SECTION_NAMES,
    };
    u64 symbols_bytes = (count + 1) * sizeof(Elf64_Sym);
    file->sections[SECTION_TEXT] = (Elf64_Shdr){
        .sh_name = NAME_TEXT,
        .sh_type = SHT_NOBITS,
        .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
        .sh_addr = start,
        .sh_size = bytes,
        .sh_addralign = 1,
    };
    file->sections[SECTION_SYMBOLS] = (Elf64_Shdr){
        .sh_name = NAME_SYMBOLS,
        .sh_type = SHT_SYMTAB,
        .sh_offset = sizeof *file,
        .sh_size = symbols_bytes,
        .sh_link = SECTION_NAMES,
        .sh_info = 1, // the first that is not local
        .sh_addralign = 8,
        .sh_entsize = sizeof(Elf64_Sym),
    };
    file->sections[SECTION_NAMES] = (Elf64_Shdr){
        .sh_name = NAME_NAMES,
        .sh_type = SHT_STRTAB,
        .sh_offset = sizeof *file + symbols_bytes,
        .sh_size = names_bytes,
        .sh_addralign = 1,
    };
}

// Fills in the symbols and their names; `names` begins with those of the sections.
static void fill_symbols(struct jit_file *file, const struct arch_symbol *symbols, u32 count) {
    char *names = (char *)&file->symbols[count + 1];
    memcpy(names, section_names, sizeof section_names);
    u64 used = sizeof section_names;
    for (u32 i = 0; i < count; i++) {
        file->symbols[i + 1] = (Elf64_Sym){
            .st_name = (u32)used,
            .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
            .st_shndx = SECTION_TEXT,
            .st_value = symbols[i].start,
            .st_size = symbols[i].bytes,
        };
        memcpy(names + used, symbols[i].name.data, symbols[i].name.len);
        used += symbols[i].name.len + 1; // and its zero
    }
}

static void gdb_publish(const struct arch_symbol *symbols, u32 count) {
    u64 names_bytes = sizeof section_names;
    for (u32 i = 0; i < count; i++)
        names_bytes += symbols[i].name.len + 1;
    u64 bytes = sizeof(struct jit_file) + (count + 1) * sizeof(Elf64_Sym) + names_bytes;
    struct jit_entry *entry = calloc(1, sizeof *entry);
    struct jit_file *file = calloc(1, bytes);
    if (entry == NULL || file == NULL) {
        free(entry);
        free(file);
        return;
    }
    const struct arch_symbol *last = &symbols[count - 1];
    fill_headers(file, symbols[0].start, last->start + last->bytes - symbols[0].start, count,
                 names_bytes);
    fill_symbols(file, symbols, count);
    *entry = (struct jit_entry){
        .next = __jit_debug_descriptor.first,
        .file = (const u8 *)file,
        .file_bytes = bytes,
        .start = symbols[0].start,
    };
    if (entry->next != NULL)
        entry->next->previous = entry;
    __jit_debug_descriptor.first = entry;
    jit_tell(JIT_REGISTER, entry);
}

static void gdb_withdraw(struct jit_entry *entry) {
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        __jit_debug_descriptor.first = entry->next;
    jit_tell(JIT_UNREGISTER, entry);
    free((void *)(uptr)entry->file);
    free(entry);
}

// -- For the kernel -----------------------------------------------------------------------------

void arch_symbols_publish(const struct arch_symbol *symbols, u32 count) {
    if (count == 0)
        return;
    pthread_mutex_lock(&tools.lock);
    if (tools.perf_map != NULL)
        perf_publish(symbols, count);
    if (tools.is_gdb)
        gdb_publish(symbols, count);
    pthread_mutex_unlock(&tools.lock);
}

void arch_symbols_withdraw(u64 start, u64 bytes) {
    pthread_mutex_lock(&tools.lock);
    struct jit_entry *next;
    for (struct jit_entry *entry = __jit_debug_descriptor.first; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->start - start < bytes)
            gdb_withdraw(entry);
    }
    pthread_mutex_unlock(&tools.lock);
}

bool symbols_start(const char *tool) {
    if (strcmp(tool, "perf") == 0)
        perf_start();
    else if (strcmp(tool, "gdb") == 0)
        tools.is_gdb = true;
    else
        return false;
    return true;
}
