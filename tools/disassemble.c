// The listing of a module's code.
//
// The code becomes an object file with a symbol for each function, which llvm-objdump-19 reads;
// what it says comes back through a pipe, instruction by instruction. The engine's tables of sites
// tell which WebAssembly instruction some of them came from: accesses, calls, and what traps.
//
// Tables of jumps and constants lie between the instructions and are listed as if they were some.

#include "tools/disassemble.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/math.h"
#include "engine/ops/ops.h"
#include "tools/lib/report.h"

#define DISASSEMBLER   "llvm-objdump-19"

#define NAME_MAX_BYTES 200
#define TEXT_WIDTH     48

// -- Names --------------------------------------------------------------------------------------

// The function's name with what a terminal or a symbol table might take amiss replaced.
static void func_label(const struct module *module, u32 func, char *out) {
    struct bytes name = module_func_name(module, func);
    usize len = min_u64(name.len, NAME_MAX_BYTES - 1);
    for (usize i = 0; i < len; i++)
        out[i] = name.data[i] > ' ' && name.data[i] < 0x7f ? (char)name.data[i] : '_';
    out[len] = 0;
    if (len == 0)
        snprintf(out, NAME_MAX_BYTES, "func_%u", func);
}

// Whether `which`, a name or a number, is the function with code number `index`; NULL is any.
static bool is_asked_for(const struct module *module, u32 index, const char *which) {
    struct func_code code;
    module_code(module, index, &code);
    if (which == NULL || bytes_equal_text(module_func_name(module, code.func), which))
        return true;
    char number[16];
    snprintf(number, sizeof(number), "%u", code.func);
    return strcmp(number, which) == 0;
}

// -- The object file ----------------------------------------------------------------------------

enum section { SECTION_NULL, SECTION_TEXT, SECTION_SYMBOLS, SECTION_STRINGS, SECTION_COUNT };

struct object_file {
    FILE *file;
    u64 code_address;
    u64 code_bytes;
    u32 func_count;
};

// Section names and symbol names share a table of strings: these come first.
static const char section_strings[] = "\0.text\0.symtab\0.strtab";

static void write_strings(const struct object_file *o, const struct module *module) {
    fwrite(section_strings, sizeof(section_strings), 1, o->file);
    for (u32 i = 0; i < o->func_count; i++) {
        struct func_code code;
        char name[NAME_MAX_BYTES];
        module_code(module, i, &code);
        func_label(module, code.func, name);
        fwrite(name, strlen(name) + 1, 1, o->file);
    }
}

static void write_symbols(const struct object_file *o, const struct module *module) {
    Elf64_Sym symbol = {0};
    fwrite(&symbol, sizeof(symbol), 1, o->file);
    u32 name_offset = sizeof(section_strings);
    for (u32 i = 0; i < o->func_count; i++) {
        struct func_code code;
        char name[NAME_MAX_BYTES];
        module_code(module, i, &code);
        func_label(module, code.func, name);
        symbol = (Elf64_Sym){
            .st_name = name_offset,
            .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
            .st_shndx = SECTION_TEXT,
            .st_value = code.address - o->code_address,
            .st_size = code.bytes,
        };
        fwrite(&symbol, sizeof(symbol), 1, o->file);
        name_offset += (u32)strlen(name) + 1;
    }
}

static void write_head(const struct object_file *o, u64 strings_bytes) {
    u64 text = sizeof(Elf64_Ehdr) + SECTION_COUNT * sizeof(Elf64_Shdr);
    u64 symbols = align_up(text + o->code_bytes, 16);
    u64 symbols_bytes = (o->func_count + 1ull) * sizeof(Elf64_Sym);
    Elf64_Ehdr head = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SECTION_COUNT,
        .e_shstrndx = SECTION_STRINGS,
    };
    Elf64_Shdr sections[SECTION_COUNT] = {
        [SECTION_TEXT] = {.sh_name = 1,
                          .sh_type = SHT_PROGBITS,
                          .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                          .sh_offset = text,
                          .sh_size = o->code_bytes,
                          .sh_addralign = 16},
        [SECTION_SYMBOLS] = {.sh_name = 7,
                             .sh_type = SHT_SYMTAB,
                             .sh_offset = symbols,
                             .sh_size = symbols_bytes,
                             .sh_link = SECTION_STRINGS,
                             .sh_info = 1, // the first that is not local
                             .sh_addralign = 8,
                             .sh_entsize = sizeof(Elf64_Sym)},
        [SECTION_STRINGS] = {.sh_name = 15,
                             .sh_type = SHT_STRTAB,
                             .sh_offset = symbols + symbols_bytes,
                             .sh_size = strings_bytes,
                             .sh_addralign = 1},
    };
    rewind(o->file);
    fwrite(&head, sizeof(head), 1, o->file);
    fwrite(sections, sizeof(sections), 1, o->file);
}

// False with errno set.
static bool write_object(const struct object_file *o, const struct module *module) {
    write_head(o, 0);
    fwrite((const void *)o->code_address, o->code_bytes, 1, o->file);
    fseek(o->file, (long)align_up((u64)ftell(o->file), 16), SEEK_SET);
    write_symbols(o, module);
    long strings = ftell(o->file);
    write_strings(o, module);
    write_head(o, (u64)(ftell(o->file) - strings));
    return fflush(o->file) == 0 && !ferror(o->file);
}

// -- The listing --------------------------------------------------------------------------------

// Where the listing is: a function, and its sites, read in step with the instructions.
struct listing {
    const struct module *module;
    struct bytes wasm;
    u64 code_address;
    u32 next_func; // number of the function after the current one

    // The current function; its code and sites count from the start of all code.
    u64 end;
    int width; // of the text of the line that is open
    struct code_site *sites;
    u32 site_count;
    u32 next_site;
};

// The text of the instruction at an offset of the module.
static const char *op_text(struct bytes wasm, u32 offset) {
    if (offset >= wasm.len)
        return "?";
    u32 code = wasm.data[offset];
    if (code >= WASM_PREFIX_FIRST && code <= WASM_PREFIX_LAST) {
        u32 low = offset + 1 < wasm.len ? wasm.data[offset + 1] : 0;
        if (low >= 0x80)
            low = (low & 0x7f) | (offset + 2 < wasm.len ? (u32)wasm.data[offset + 2] << 7 : 0);
        code = code << 12 | low;
    }
    enum wasm_op op = wasm_op_find(code);
    return op == OP_COUNT ? "?" : wasm_ops[op].text;
}

// Ends the line of the instruction that lies in [start, end): with what it came from, where it may
// trap or calls.
static void end_line(struct listing *l, u64 start, u64 end) {
    while (l->next_site < l->site_count && l->sites[l->next_site].code_offset < start)
        l->next_site++;
    for (u32 i = l->next_site; i < l->site_count && l->sites[i].code_offset <= end; i++) {
        const struct code_site *site = &l->sites[i];
        bool is_call = site->trap == TRAP_NONE;
        if (site->code_offset != (is_call ? end : start))
            continue;
        printf("%*s  ; %x %s", TEXT_WIDTH - l->width, "", site->wasm_offset,
               op_text(l->wasm, site->wasm_offset));
        l->width = TEXT_WIDTH;
        if (!is_call && site->trap != TRAP_MEMORY_BOUNDS)
            printf(": %s", site->trap == TRAP_DYNAMIC ? "any trap" : trap_text(site->trap));
    }
    putchar('\n');
}

// Goes on to the next function: prints its head.
static void next_func(struct listing *l) {
    struct func_code code;
    char name[NAME_MAX_BYTES];
    module_code(l->module, l->next_func, &code);
    func_label(l->module, code.func, name);
    u64 start = code.address - l->code_address;
    l->end = start + code.bytes;
    printf("\n%s: function %u, %llu bytes\n", name, code.func, (unsigned long long)code.bytes);

    free(l->sites);
    l->next_site = 0;
    l->site_count = module_code_sites(l->module, l->next_func, NULL, 0);
    l->sites = calloc(l->site_count + 1, sizeof(*l->sites));
    if (l->sites == NULL)
        l->site_count = 0; // they are left out
    module_code_sites(l->module, l->next_func, l->sites, l->site_count);
    for (u32 i = 0; i < l->site_count; i++)
        l->sites[i].code_offset += (u32)start;
    l->next_func++;
}

// The instruction that a line of the disassembler shows, or NULL; *offset is its place.
static char *instruction_text(char *line, u64 *offset) {
    char *colon;
    errno = 0;
    *offset = strtoull(line, &colon, 16);
    if (colon == line || *colon != ':' || errno != 0)
        return NULL;
    char *text = colon + 1 + strspn(colon + 1, " \t");
    text[strcspn(text, "\n")] = 0;
    for (char *at = text; *at != 0; at++) {
        if (*at == '\t')
            *at = ' ';
    }
    return text;
}

static void list_lines(struct listing *l, FILE *lines) {
    char line[512];
    bool is_open = false;
    u64 last = 0;
    while (fgets(line, sizeof(line), lines) != NULL) {
        u64 offset;
        const char *text = instruction_text(line, &offset);
        if (text == NULL)
            continue;
        if (is_open)
            end_line(l, last, offset);
        if (offset >= l->end)
            next_func(l);
        printf("%8llx  %s", (unsigned long long)offset, text);
        usize width = strlen(text);
        l->width = width < TEXT_WIDTH ? (int)width : TEXT_WIDTH;
        last = offset;
        is_open = true;
    }
    if (is_open)
        end_line(l, last, l->end);
    free(l->sites);
}

// Lists functions first to last.
static int list_funcs(const struct object_file *o, const struct module *module, struct bytes wasm,
                      u32 first, u32 last) {
    struct func_code from;
    struct func_code to;
    module_code(module, first, &from);
    module_code(module, last, &to);
    char command[256];
    snprintf(command, sizeof(command),
             DISASSEMBLER " -d --no-show-raw-insn --x86-asm-syntax=intel --start-address=%llu "
                          "--stop-address=%llu /dev/fd/%d",
             (unsigned long long)(from.address - o->code_address),
             (unsigned long long)(to.address + to.bytes - o->code_address), fileno(o->file));
    FILE *lines = popen(command, "r");
    if (lines == NULL) {
        report_error(DISASSEMBLER, "%s", strerror(errno));
        return EXIT_ERROR;
    }
    struct listing listing = {
        .module = module, .wasm = wasm, .code_address = o->code_address, .next_func = first};
    list_lines(&listing, lines);
    if (pclose(lines) == 0)
        return EXIT_OK;
    report_error(DISASSEMBLER, "failed; it is in Debian's package llvm-19");
    return EXIT_ERROR;
}

int disassemble(const struct module *module, struct bytes wasm, const char *which) {
    u32 count = module_code_count(module);
    u32 first = 0;
    while (first < count && !is_asked_for(module, first, which))
        first++;
    if (first == count) {
        if (which == NULL)
            return EXIT_OK;
        report_error(which, "no function of the module has this name or number");
        return EXIT_ERROR;
    }
    int fd = memfd_create("code", 0); // the disassembler inherits it
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    if (file == NULL) {
        report_error("disassemble", "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return EXIT_ERROR;
    }
    struct func_code first_code;
    struct func_code last_code;
    module_code(module, 0, &first_code);
    module_code(module, count - 1, &last_code);
    struct object_file o = {
        .file = file,
        .code_address = first_code.address,
        .code_bytes = last_code.address + last_code.bytes - first_code.address,
        .func_count = count,
    };
    int exit_code = EXIT_ERROR;
    if (write_object(&o, module))
        exit_code = list_funcs(&o, module, wasm, first, which == NULL ? count - 1 : first);
    else
        report_error("disassemble", "%s", strerror(errno));
    fclose(file);
    return exit_code;
}
