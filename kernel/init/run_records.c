// The parser of boot/run. It refuses what it does not know: a launcher that is newer than the
// kernel should hear so, not see its wish ignored.

#include "kernel/init/run_records.h"

#include "base/math.h"
#include "kernel/sched/trace.h"

// Takes the string up to the next NUL; false when there is no NUL any more.
static bool next_record(struct bytes *text, struct bytes *out) {
    usize len = 0;
    while (len < text->len && text->data[len] != 0)
        len++;
    if (len == text->len)
        return false;
    *out = (struct bytes){text->data, len};
    text->data += len + 1;
    text->len -= len + 1;
    return true;
}

// Splits at the first '='; false when there is none.
static bool split(struct bytes record, struct bytes *key, struct bytes *value) {
    usize at = 0;
    while (at < record.len && record.data[at] != '=')
        at++;
    if (at == record.len)
        return false;
    *key = (struct bytes){record.data, at};
    *value = (struct bytes){record.data + at + 1, record.len - at - 1};
    return true;
}

static bool parse_number(struct bytes text, u64 *out) {
    u64 value = 0;
    for (usize i = 0; i < text.len; i++) {
        u8 digit = (u8)(text.data[i] - '0');
        if (digit > 9 || !mul_u64(value, 10, &value) || !add_u64(value, digit, &value))
            return false;
    }
    *out = value;
    return text.len != 0;
}

static bool parse_flag(struct bytes text, bool *out) {
    *out = bytes_equal_text(text, "1");
    return *out || bytes_equal_text(text, "0");
}

static enum status refuse(const char **why, const char *text) {
    *why = text;
    return ERR_MALFORMED;
}

static enum status add_preopen(struct run_records *out, struct bytes value, bool is_root,
                               const char **why) {
    struct run_preopen preopen = {.is_root = is_root};
    u64 root;
    if (out->preopen_count == RUN_PREOPENS_MAX)
        return refuse(why, "too many preopens");
    if (!split(value, &preopen.guest, &preopen.path) || preopen.guest.len == 0)
        return refuse(why, "a preopen is not GUEST=PATH");
    if (is_root && (!parse_number(preopen.path, &root) || root >= FILE_ROOTS_MAX))
        return refuse(why, "a root is not a number, or too large");
    if (is_root)
        preopen.root = (u32)root;
    out->preopens[out->preopen_count++] = preopen;
    return OK;
}

static enum status add_kernel_files(struct run_records *out, struct bytes guest, const char **why) {
    if (out->preopen_count == RUN_PREOPENS_MAX)
        return refuse(why, "too many preopens");
    if (guest.len == 0)
        return refuse(why, "an empty kernel");
    out->preopens[out->preopen_count++] = (struct run_preopen){.guest = guest, .is_kernel = true};
    return OK;
}

// 1 to `most`.
static bool parse_count(struct bytes text, u32 most, u32 *out) {
    u64 value;
    if (!parse_number(text, &value) || value == 0 || value > most)
        return false;
    *out = (u32)value;
    return true;
}

static enum status take_record(struct run_records *out, struct bytes key, struct bytes value,
                               const char **why) {
    struct bytes name;
    struct bytes rest;
    if (bytes_equal_text(key, "arg"))
        return string_list_add(&out->args, value);
    if (bytes_equal_text(key, "env")) {
        if (!split(value, &name, &rest) || name.len == 0)
            return refuse(why, "an env is not NAME=VALUE");
        return string_list_add(&out->env, value);
    }
    if (bytes_equal_text(key, "preopen") || bytes_equal_text(key, "root"))
        return add_preopen(out, value, bytes_equal_text(key, "root"), why);
    if (bytes_equal_text(key, "kernel"))
        return add_kernel_files(out, value, why);
    if (bytes_equal_text(key, "share"))
        return parse_count(value, CPU_SHARE_MAX, &out->cpu_share)
                   ? OK
                   : refuse(why, "share is not 1 to 1000");
    if (bytes_equal_text(key, "trace"))
        return parse_count(value, TRACE_EVENTS_MOST, &out->trace_events)
                   ? OK
                   : refuse(why, "trace is not a number, or too large");
    if (bytes_equal_text(key, "memory"))
        return parse_number(value, &out->memory_limit) ? OK : refuse(why, "memory is not a number");
    if (bytes_equal_text(key, "invoke")) {
        out->invoke = (const char *)value.data; // its NUL ends the record
        return value.len != 0 ? OK : refuse(why, "an empty invoke");
    }
    if (bytes_equal_text(key, "isolation")) {
        out->in_domain = bytes_equal_text(value, "domain");
        return out->in_domain || bytes_equal_text(value, "sip")
                   ? OK
                   : refuse(why, "isolation is not sip or domain");
    }
    if (bytes_equal_text(key, "times"))
        return parse_flag(value, &out->wants_times) ? OK : refuse(why, "times is not 0 or 1");
    if (bytes_equal_text(key, "wast"))
        return parse_flag(value, &out->is_script) ? OK : refuse(why, "wast is not 0 or 1");
    return refuse(why, "an unknown key");
}

enum status run_records_parse(struct bytes text, struct run_records *out, const char **why) {
    memset(out, 0, sizeof *out);
    *why = "out of memory";
    bool is_first = true;
    while (text.len != 0) {
        struct bytes record;
        struct bytes key;
        struct bytes value;
        if (!next_record(&text, &record))
            return refuse(why, "the last record does not end");
        if (!split(record, &key, &value))
            return refuse(why, "a record is not KEY=VALUE");
        if (is_first != bytes_equal_text(key, "program"))
            return refuse(why,
                          is_first ? "the first record is not the program" : "a second program");
        enum status status = OK;
        if (!is_first)
            status = take_record(out, key, value, why);
        else if (value.len == 0)
            status = refuse(why, "an empty program");
        else
            out->program = value;
        if (status != OK)
            return status;
        is_first = false;
    }
    return is_first ? refuse(why, "no records") : OK;
}

void run_records_fini(struct run_records *records) {
    string_list_fini(&records->args);
    string_list_fini(&records->env);
}
