// Names of compiled functions: for people who read a trap's backtrace, and for the machine's
// profilers and debuggers.
//
// Names come from the module, so they are hostile: what tools get of them is printable, without
// spaces, and of bounded length.

#include "kernel/proc/symbols.h"

#include "base/fmt.h"
#include "base/math.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/heap.h"

#define NAME_BYTES_MAX 192u

struct bytes symbols_func_name(const struct module *module, u32 func) {
    struct bytes name = module_func_name(module, func);
    for (u32 i = 0; name.len == 0 && i < module_export_count(module); i++) {
        struct export_info export;
        module_export(module, i, &export);
        if (export.kind == EXTERN_FUNC && export.index == func)
            name = export.name;
    }
    return name;
}

// Makes "PROGRAM!FUNCTION". Returns its length.
static usize format_name(const struct module *module, const char *program, u32 func,
                         char out[static NAME_BYTES_MAX]) {
    struct bytes name = symbols_func_name(module, func);
    usize len = name.len != 0
                    ? fmt_string(out, NAME_BYTES_MAX, "%s!%.*s", program,
                                 (int)min_u64(name.len, NAME_BYTES_MAX), (const char *)name.data)
                    : fmt_string(out, NAME_BYTES_MAX, "%s!function_%u", program, func);
    len = min_u64(len, NAME_BYTES_MAX - 1);
    for (usize i = 0; i < len; i++) {
        if (out[i] <= ' ' || out[i] > '~')
            out[i] = '_';
    }
    return len;
}

// Fills in `count` symbols whose names follow one another in `text`; with `text` NULL it only
// counts. Returns the bytes of all names.
static usize collect(const struct module *module, const char *program, u32 count,
                     struct arch_symbol *symbols, u8 *text) {
    usize used = 0;
    for (u32 i = 0; i < count; i++) {
        char name[NAME_BYTES_MAX];
        struct func_code code;
        module_code(module, i, &code);
        usize len = format_name(module, program, code.func, name);
        if (text != NULL) {
            memcpy(text + used, name, len);
            symbols[i] = (struct arch_symbol){code.address, code.bytes, {text + used, len}};
        }
        used += len;
    }
    return used;
}

void symbols_publish(const struct module *module, const char *program) {
    u32 count = module_code_count(module);
    if (count == 0 || !arch_symbols_wanted())
        return;
    usize text_bytes = collect(module, program, count, NULL, NULL);
    struct arch_symbol *symbols = kmalloc(count * sizeof *symbols);
    u8 *text = kmalloc(text_bytes);
    if (symbols != NULL && text != NULL) {
        collect(module, program, count, symbols, text);
        arch_symbols_publish(symbols, count);
    }
    kfree(symbols, count * sizeof *symbols);
    kfree(text, text_bytes);
}
