// JSON scripts into script blobs. The input is trusted as far as a test's input is: what is not
// understood is an error with the file's name and the line of the script.

#include "tools/wast_json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "tests/spec/script.h"
#include "tools/lib/wast_repair.h"

struct converter {
    const char *path;
    FILE *out;
    int line;
};

static bool complain(const struct converter *c, const char *why) {
    fprintf(stderr, "kwast: %s:%d: %s\n", c->path, c->line, why);
    return false;
}

// -- Files ----------------------------------------------------------------------------------------

// The whole file, NUL-terminated, or NULL.
static char *read_file(const char *path, usize *len_out) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long len = ftell(file);
        rewind(file);
        text = len >= 0 ? malloc((usize)len + 1) : NULL;
        if (text != NULL && fread(text, 1, (usize)len, file) == (usize)len) {
            text[len] = 0;
            *len_out = (usize)len;
        } else {
            free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

// `name` in the folder of the script; the caller frees it.
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash - path + 1) : 0;
    char *joined = NULL;
    if (asprintf(&joined, "%.*s%s", folder, path, name) < 0)
        return NULL;
    return joined;
}

// -- Writing --------------------------------------------------------------------------------------

static void put_number(FILE *out, u64 number, u32 bytes) {
    for (u32 i = 0; i < bytes; i++)
        fputc((int)(number >> (8 * i) & 0xff), out);
}

static void put_bytes(FILE *out, const void *bytes, usize len) {
    put_number(out, len, 4);
    if (len != 0)
        fwrite(bytes, 1, len, out);
}

// A string, which may be missing (empty). The JSON parser ends strings at a NUL, so keep_nuls has
// written each as the two bytes c0 80, which are not UTF-8 otherwise; here they are NULs again.
static void put_text(FILE *out, const char *text) {
    if (text == NULL)
        text = "";
    usize len = strlen(text);
    for (const char *at = text; (at = strstr(at, "\xc0\x80")) != NULL; at += 2)
        len--;
    put_number(out, len, 4);
    for (; *text != 0; text++) {
        bool is_nul = strncmp(text, "\xc0\x80", 2) == 0;
        fputc(is_nul ? 0 : *text, out);
        text += is_nul;
    }
}

// Rewrites each \u0000 of a JSON text in place.
static usize keep_nuls(char *text) {
    char *to = text;
    for (const char *from = text; *from != 0;) {
        if (strncmp(from, "\\u0000", 6) == 0) {
            memcpy(to, "\xc0\x80", 2);
            to += 2;
            from += 6;
            continue;
        }
        if (*from == '\\' && from[1] != 0) // so that an escaped backslash is no start
            *to++ = *from++;
        *to++ = *from++;
    }
    *to = 0;
    return (usize)(to - text);
}

static const char *member(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

// `is_good`: it is to be accepted.
static bool put_module_file(const struct converter *c, const cJSON *command, bool is_good) {
    const char *name = member(command, "binary_filename");
    if (name == NULL)
        name = member(command, "filename");
    if (name == NULL)
        return complain(c, "a module without a file name");
    char *path = beside(c->path, name);
    usize len = 0;
    char *bytes = path != NULL ? read_file(path, &len) : NULL;
    free(path);
    if (bytes == NULL)
        return complain(c, "cannot read the module");
    if (is_good && wast_repair_imports((u8 *)bytes, len))
        fprintf(stderr, "kwast: %s:%d: the count of imports is the converter's fault: put right\n",
                c->path, c->line);
    put_bytes(c->out, bytes, len);
    free(bytes);
    return true;
}

// -- Values ---------------------------------------------------------------------------------------

static bool put_value(const struct converter *c, enum script_value kind, u64 bits) {
    put_number(c->out, kind, 1);
    put_number(c->out, bits, 8);
    return true;
}

static bool put_nan(const struct converter *c, const char *type, const char *pattern) {
    bool is_f32 = strcmp(type, "f32") == 0;
    if (strcmp(pattern, "nan:canonical") == 0)
        return put_value(c, is_f32 ? SCRIPT_F32_CANONICAL : SCRIPT_F64_CANONICAL, 0);
    if (strcmp(pattern, "nan:arithmetic") == 0)
        return put_value(c, is_f32 ? SCRIPT_F32_ARITHMETIC : SCRIPT_F64_ARITHMETIC, 0);
    return complain(c, "an unknown NaN pattern");
}

// A number, or a NaN pattern. Lanes have the type of the lane.
static bool put_number_value(const struct converter *c, const char *type, const char *text) {
    if (strncmp(text, "nan", 3) == 0)
        return put_nan(c, type, text);
    char *end;
    u64 bits = strtoull(text, &end, 10);
    if (end == text || *end != 0)
        return complain(c, "a value that is not a number");
    if (strcmp(type, "i32") == 0)
        return put_value(c, SCRIPT_I32, (u32)bits);
    if (strcmp(type, "i64") == 0)
        return put_value(c, SCRIPT_I64, bits);
    if (strcmp(type, "f32") == 0)
        return put_value(c, SCRIPT_F32, (u32)bits);
    if (strcmp(type, "f64") == 0)
        return put_value(c, SCRIPT_F64, bits);
    return complain(c, "a value of an unsupported type");
}

// Lanes of 8 or 16 bits, packed into two of 64.
static bool put_small_lanes(const struct converter *c, const cJSON *lanes, u32 lane_bits) {
    u64 packed[2] = {0};
    u32 at = 0;
    const cJSON *lane;
    cJSON_ArrayForEach(lane, lanes) {
        const char *text = cJSON_GetStringValue(lane);
        if (text == NULL || at >= 128)
            return complain(c, "a vector that is not of 128 bits");
        packed[at / 64] |= (strtoull(text, NULL, 10) & ((1u << lane_bits) - 1)) << at % 64;
        at += lane_bits;
    }
    put_number(c->out, 2, 1);
    return at == 128 ? put_value(c, SCRIPT_I64, packed[0]) && put_value(c, SCRIPT_I64, packed[1])
                     : complain(c, "a vector that is not of 128 bits");
}

static bool put_vector(const struct converter *c, const cJSON *json) {
    const char *type = member(json, "lane_type");
    const cJSON *lanes = cJSON_GetObjectItemCaseSensitive(json, "value");
    if (type == NULL)
        return complain(c, "a vector without a lane type");
    put_number(c->out, SCRIPT_V128, 1);
    if (strcmp(type, "i8") == 0 || strcmp(type, "i16") == 0)
        return put_small_lanes(c, lanes, strcmp(type, "i8") == 0 ? 8 : 16);

    int count = cJSON_GetArraySize(lanes);
    if (count != (strstr(type, "64") != NULL ? 2 : 4))
        return complain(c, "a vector that is not of 128 bits");
    put_number(c->out, (u64)count, 1);
    const cJSON *lane;
    cJSON_ArrayForEach(lane, lanes) {
        const char *text = cJSON_GetStringValue(lane);
        if (text == NULL || !put_number_value(c, type, text))
            return complain(c, "a lane that is not a number");
    }
    return true;
}

// Of references that programs make, scripts only say whether they are null.
static bool put_reference(const struct converter *c, const char *type, const char *text) {
    bool is_null = text != NULL ? strcmp(text, "null") == 0
                                : strstr(type, "null") != NULL; // nullfuncref, refnull
    if (strcmp(type, "funcref") == 0)
        return put_value(c, is_null ? SCRIPT_FUNCREF_NULL : SCRIPT_FUNCREF_ANY, 0);
    if (strcmp(type, "exnref") == 0)
        return put_value(c, is_null ? SCRIPT_EXNREF_NULL : SCRIPT_EXNREF_ANY, 0);
    if (strcmp(type, "externref") == 0 && text != NULL)
        return put_value(c, SCRIPT_EXTERNREF, is_null ? 0 : strtoull(text, NULL, 10) + 1);
    return put_value(c, is_null ? SCRIPT_REF_NULL : SCRIPT_REF_ANY, 0);
}

static bool put_json_value(const struct converter *c, const cJSON *json) {
    const char *type = member(json, "type");
    const char *text = member(json, "value");
    if (type == NULL)
        return complain(c, "a value without a type");
    if (strcmp(type, "v128") == 0)
        return put_vector(c, json);
    if (strstr(type, "ref") != NULL)
        return put_reference(c, type, text);
    if (text == NULL)
        return complain(c, "a value without a value");
    return put_number_value(c, type, text);
}

// What may be expected: a value, or one of several.
static bool put_expectation(const struct converter *c, const cJSON *json) {
    const char *type = member(json, "type");
    if (type == NULL || strcmp(type, "either") != 0)
        return put_json_value(c, json);
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(json, "values");
    put_number(c->out, SCRIPT_EITHER, 1);
    put_number(c->out, (u64)cJSON_GetArraySize(values), 1);
    const cJSON *value;
    cJSON_ArrayForEach(value, values) {
        if (!put_json_value(c, value))
            return false;
    }
    return true;
}

static bool put_values(const struct converter *c, const cJSON *array) {
    put_number(c->out, (u64)cJSON_GetArraySize(array), 2);
    const cJSON *value;
    cJSON_ArrayForEach(value, array) {
        if (!put_expectation(c, value))
            return false;
    }
    return true;
}

static bool put_action(const struct converter *c, const cJSON *command) {
    const cJSON *action = cJSON_GetObjectItemCaseSensitive(command, "action");
    const char *type = member(action, "type");
    if (type == NULL)
        return complain(c, "an action without a type");
    put_number(c->out, strcmp(type, "get") == 0 ? SCRIPT_GET : SCRIPT_INVOKE, 1);
    put_text(c->out, member(action, "module"));
    put_text(c->out, member(action, "field"));
    return put_values(c, cJSON_GetObjectItemCaseSensitive(action, "args"));
}

// -- Commands -------------------------------------------------------------------------------------

static const struct {
    const char *type;
    enum script_command command;
} command_types[] = {
    {"module", SCRIPT_MODULE},
    {"module_definition", SCRIPT_DEFINITION},
    {"module_instance", SCRIPT_INSTANCE},
    {"register", SCRIPT_REGISTER},
    {"action", SCRIPT_ACTION},
    {"thread", SCRIPT_THREAD},
    {"wait", SCRIPT_WAIT},
    {"assert_return", SCRIPT_ASSERT_RETURN},
    {"assert_trap", SCRIPT_ASSERT_TRAP},
    {"assert_exhaustion", SCRIPT_ASSERT_EXHAUSTION},
    {"assert_exception", SCRIPT_ASSERT_EXCEPTION},
    {"assert_invalid", SCRIPT_ASSERT_INVALID},
    {"assert_malformed", SCRIPT_ASSERT_MALFORMED},
    {"assert_unlinkable", SCRIPT_ASSERT_UNLINKABLE},
    {"assert_uninstantiable", SCRIPT_ASSERT_UNINSTANTIABLE},
};

static bool find_command(const char *type, enum script_command *out) {
    for (usize i = 0; type != NULL && i < COUNT_OF(command_types); i++) {
        if (strcmp(type, command_types[i].type) == 0) {
            *out = command_types[i].command;
            return true;
        }
    }
    return false;
}

static bool is_text_module(const cJSON *command) {
    const char *type = member(command, "module_type");
    return type != NULL && strcmp(type, "text") == 0 && member(command, "binary_filename") == NULL;
}

static bool put_commands(struct converter *c, const cJSON *commands);

// The commands of a thread are a blob within the blob. Threads may start threads.
static bool put_thread(const struct converter *c, const cJSON *json) {
    char *blob = NULL;
    size_t len = 0;
    struct converter inner = {.path = c->path, .out = open_memstream(&blob, &len), .line = c->line};
    if (inner.out == NULL)
        return complain(c, "out of memory");
    bool done = put_commands(&inner, cJSON_GetObjectItemCaseSensitive(json, "commands"));
    fclose(inner.out);
    put_text(c->out, member(json, "name"));
    put_text(c->out, member(json, "shared_module"));
    put_bytes(c->out, blob, len);
    free(blob);
    return done;
}

static bool put_operands(const struct converter *c, const cJSON *json,
                         enum script_command command) {
    switch (command) {
    case SCRIPT_MODULE:
    case SCRIPT_DEFINITION:
        put_text(c->out, member(json, "name"));
        return put_module_file(c, json, true);
    case SCRIPT_INSTANCE:
        put_text(c->out, member(json, "instance"));
        put_text(c->out, member(json, "module"));
        return true;
    case SCRIPT_REGISTER:
        put_text(c->out, member(json, "as"));
        put_text(c->out, member(json, "name"));
        return true;
    case SCRIPT_THREAD:
        return put_thread(c, json);
    case SCRIPT_WAIT:
        put_text(c->out, member(json, "thread"));
        return true;
    case SCRIPT_ACTION:
    case SCRIPT_ASSERT_EXCEPTION:
        return put_action(c, json);
    case SCRIPT_ASSERT_RETURN:
        return put_action(c, json) &&
               put_values(c, cJSON_GetObjectItemCaseSensitive(json, "expected"));
    case SCRIPT_ASSERT_TRAP:
    case SCRIPT_ASSERT_EXHAUSTION:
        if (!put_action(c, json))
            return false;
        put_text(c->out, member(json, "text"));
        return true;
    case SCRIPT_ASSERT_TEXT:
        put_text(c->out, member(json, "text"));
        return true;
    default:
        put_text(c->out, member(json, "text"));
        return put_module_file(c, json, false);
    }
}

static bool put_command(struct converter *c, const cJSON *json) {
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(json, "line");
    c->line = cJSON_IsNumber(line) ? line->valueint : 0;
    enum script_command command;
    if (!find_command(member(json, "type"), &command))
        return complain(c, "an unknown command");
    if (command >= SCRIPT_ASSERT_INVALID && is_text_module(json))
        command = SCRIPT_ASSERT_TEXT;
    put_number(c->out, command, 1);
    put_number(c->out, (u64)c->line, 4);
    return put_operands(c, json, command);
}

static bool put_commands(struct converter *c, const cJSON *commands) {
    const cJSON *command;
    cJSON_ArrayForEach(command, commands) {
        if (!put_command(c, command))
            return false;
    }
    return true;
}

static void put_begin(const struct wast_script *script, FILE *out) {
    put_number(out, SCRIPT_BEGIN, 1);
    put_number(out, 0, 4);
    put_text(out, script->name);
    put_number(out, script->features, 4);
}

bool wast_json_convert(const struct wast_script *script, FILE *out) {
    struct converter c = {.path = script->path, .out = out};
    usize len;
    char *text = read_file(script->path, &len);
    if (text == NULL)
        return complain(&c, "cannot be read");
    cJSON *json = cJSON_ParseWithLength(text, keep_nuls(text));
    free(text);
    if (json == NULL)
        return complain(&c, "is not JSON");
    put_begin(script, out);
    bool done = put_commands(&c, cJSON_GetObjectItemCaseSensitive(json, "commands"));
    cJSON_Delete(json);
    return done;
}
