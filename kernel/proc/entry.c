// What a process runs: `_start`, or with `invoke` any exported function, whose arguments are the
// process's (after argv[0]) and whose results are printed, one a line. Integers are decimal or
// hexadecimal; floats are decimal, or their bits in hexadecimal.

#include "base/assert.h"
#include "base/fmt.h"
#include "base/math.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/float_text.h"
#include "kernel/proc/proc_internal.h"

#define STDOUT_HANDLE 1

static struct bytes entry_name(const struct process *process) {
    return bytes_of(process->invoke != NULL ? process->invoke : "_start");
}

static enum status refuse(struct module_error *error, const char *what, struct bytes name) {
    *error = (struct module_error){.status = ERR_UNLINKABLE, .func = NO_FUNC};
    fmt_string(error->text, sizeof error->text, "%s %.*s", what, (int)min_u64(name.len, 64),
               (const char *)name.data);
    return ERR_UNLINKABLE;
}

static struct bytes next_string(struct bytes *rest) {
    struct bytes text = {rest->data, 0};
    while (text.len < rest->len && rest->data[text.len] != 0)
        text.len++;
    usize skip = min_u64(text.len + 1, rest->len);
    rest->data += skip;
    rest->len -= skip;
    return text;
}

// An integer with an optional sign, decimal or 0x; must fit `bits` as signed or as unsigned.
static bool parse_integer(struct bytes text, u32 bits, u64 *out) {
    bool negative = text.len != 0 && text.data[0] == '-';
    usize at = negative ? 1 : 0;
    u64 base = 10;
    if (text.len - at > 2 && text.data[at] == '0' && (text.data[at + 1] | 0x20) == 'x') {
        base = 16;
        at += 2;
    }
    if (at == text.len)
        return false;
    u64 value = 0;
    for (; at < text.len; at++) {
        u8 c = text.data[at] | 0x20;
        u64 digit = c >= 'a' ? c - 'a' + 10u : c - '0';
        if (text.data[at] < '0' || digit >= base || !mul_u64(value, base, &value) ||
            !add_u64(value, digit, &value))
            return false;
    }
    u64 limit = negative ? 1ull << (bits - 1) : bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
    if (value > limit)
        return false;
    value = negative ? 0 - value : value;
    *out = bits == 64 ? value : value & 0xffffffff;
    return true;
}

static bool is_32_bit(enum value_type type) {
    return type == VALUE_I32 || type == VALUE_F32;
}

static bool is_float(enum value_type type) {
    return type == VALUE_F32 || type == VALUE_F64;
}

static bool parse_value(enum value_type type, struct bytes text, u64 *out) {
    bool is_bits = text.len > 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';
    if (is_float(type) && !is_bits)
        return float_parse(text, is_32_bit(type) ? FLOAT_32 : FLOAT_64, out);
    if (!is_float(type) && type != VALUE_I32 && type != VALUE_I64)
        return false;
    return parse_integer(text, is_32_bit(type) ? 32 : 64, out);
}

static enum status parse_arguments(const struct process *process, const struct func_type *type,
                                   u64 *values, struct module_error *error) {
    struct bytes rest = {(const u8 *)process->args.data, process->args.bytes};
    u32 count = process->args.count == 0 ? 0 : process->args.count - 1;
    next_string(&rest); // the program's own name
    if (count != type->param_count)
        return refuse(error, "wrong number of arguments for", entry_name(process));
    for (u32 i = 0; i < count; i++) {
        struct bytes text = next_string(&rest);
        if (!parse_value(type->types[i], text, &values[i]))
            return refuse(error, "not a value of the parameter's type:", text);
    }
    return OK;
}

static usize slot_bytes(const struct func_type *type) {
    return (func_type_slots(type) + 1) * sizeof(u64);
}

enum status process_check_entry(struct process *process, struct module_error *error) {
    struct extern_ref entry;
    struct bytes name = entry_name(process);
    if (!instance_export(process->first.instance, name, &entry) || entry.kind != EXTERN_FUNC)
        return refuse(error, "the module exports no function", name);
    struct func_type type;
    func_ref_type(process_engine(), entry.func, &type);
    if (process->invoke == NULL) {
        bool is_plain = type.param_count == 0 && type.result_count == 0;
        return is_plain ? OK : refuse(error, "parameters or results on", name);
    }
    u64 *values = kmalloc(slot_bytes(&type));
    if (values == NULL)
        return ERR_NO_MEMORY;
    enum status status = parse_arguments(process, &type, values, error);
    kfree(values, slot_bytes(&type));
    return status;
}

static void print_result(struct process *process, enum value_type type, const u64 *value) {
    char line[FLOAT_TEXT_BYTES + 1];
    usize len;
    switch (type) {
    case VALUE_I32:
        len = fmt_string(line, sizeof line, "%d", (i32)*value);
        break;
    case VALUE_I64:
        len = fmt_string(line, sizeof line, "%ld", (i64)*value);
        break;
    case VALUE_F32:
    case VALUE_F64:
        len = float_format(*value, is_32_bit(type) ? FLOAT_32 : FLOAT_64, line);
        break;
    case VALUE_V128:
        len = fmt_string(line, sizeof line, "0x%016lx%016lx", value[1], value[0]);
        break;
    default: // a reference
        len = fmt_string(line, sizeof line, "0x%lx", *value);
        break;
    }
    line[len++] = '\n';

    struct handle out;
    if (handle_get(&process->handles, STDOUT_HANDLE, &out) != OK)
        return;
    usize put;
    enum status status = object_write(out.object, 0, line, len, &put);
    (void)status; // nobody listens: then nobody misses it
    object_release(out.object);
}

static enum trap invoke(struct process *process, struct func_ref *func) {
    struct func_type type;
    func_ref_type(process_engine(), func, &type);
    u64 *values = kmalloc(slot_bytes(&type));
    if (values == NULL)
        return TRAP_OUT_OF_MEMORY;
    struct module_error ignored;
    enum status status = parse_arguments(process, &type, values, &ignored);
    CHECK(status == OK); // process_check_entry has seen the same arguments
    enum trap trap = func_call(process_engine(), &process->first.block, func, values);
    const u64 *result = values;
    for (u32 i = 0; trap == TRAP_NONE && i < type.result_count; i++) {
        enum value_type result_type = type.types[type.param_count + i];
        print_result(process, result_type, result);
        result += value_type_slots(result_type);
    }
    kfree(values, slot_bytes(&type));
    return trap;
}

// A reactor (a module without _start) sets itself up in _initialize, before anything is invoked.
static enum trap run_initialize(struct process *process) {
    struct extern_ref init;
    if (!instance_export(process->first.instance, bytes_of("_initialize"), &init) ||
        init.kind != EXTERN_FUNC)
        return TRAP_NONE;
    struct func_type type;
    func_ref_type(process_engine(), init.func, &type);
    if (type.param_count != 0 || type.result_count != 0)
        return TRAP_NONE;
    u64 none[1] = {0};
    return func_call(process_engine(), &process->first.block, init.func, none);
}

enum trap process_run_entry(struct process *process) {
    struct extern_ref entry;
    bool found = instance_export(process->first.instance, entry_name(process), &entry);
    CHECK(found && entry.kind == EXTERN_FUNC); // process_check_entry
    if (process->invoke != NULL) {
        enum trap trap = run_initialize(process);
        return trap == TRAP_NONE ? invoke(process, entry.func) : trap;
    }
    u64 none[1] = {0};
    return func_call(process_engine(), &process->first.block, entry.func, none);
}
