// Which proposal an unknown byte belongs to, so that a refusal can name it. Every text begins with
// the phrase that the official test suite uses for the byte in that place.

#include "engine/decode/refuse.h"

#include "base/assert.h"

static struct refusal unsupported(const char *text) {
    return (struct refusal){ERR_UNSUPPORTED, text};
}

static struct refusal malformed(const char *text) {
    return (struct refusal){ERR_MALFORMED, text};
}

// One row a proposal, in the order of the bits.
#define FEATURE_NAMES(ROW)                                                                         \
    ROW(FEATURE_SIGN_EXTENSION, "sign-extension operators")                                        \
    ROW(FEATURE_SATURATING_CONVERSION, "non-trapping float-to-int conversions")                    \
    ROW(FEATURE_MUTABLE_GLOBALS, "import/export of mutable globals")                               \
    ROW(FEATURE_MULTI_VALUE, "multi-value")                                                        \
    ROW(FEATURE_BULK_MEMORY, "bulk memory operations")                                             \
    ROW(FEATURE_REFERENCE_TYPES, "reference types")                                                \
    ROW(FEATURE_SIMD, "fixed-width SIMD")                                                          \
    ROW(FEATURE_RELAXED_SIMD, "relaxed SIMD")                                                      \
    ROW(FEATURE_TAIL_CALLS, "tail calls")                                                          \
    ROW(FEATURE_EXTENDED_CONST, "extended constant expressions")                                   \
    ROW(FEATURE_MULTI_MEMORY, "multi-memory")                                                      \
    ROW(FEATURE_THREADS, "threads")                                                                \
    ROW(FEATURE_EXCEPTIONS, "exception handling")                                                  \
    ROW(FEATURE_LEGACY_EXCEPTIONS, "exception handling (legacy)")                                  \
    ROW(FEATURE_MEMORY64, "memory64")                                                              \
    ROW(FEATURE_COMPACT_IMPORTS, "compact import section")

static const struct feature_text {
    u32 feature;
    const char *name;
    const char *off;
} feature_texts[] = {
#define FEATURE_ROW(bit, name) {bit, name, "proposal " name " is switched off"},
    FEATURE_NAMES(FEATURE_ROW)
#undef FEATURE_ROW
};

STATIC_ASSERT(COUNT_OF(feature_texts) == __builtin_popcount(FEATURES_ALL), "each has a name");

static const struct feature_text *feature_text(u32 feature) {
    ASSERT(__builtin_popcount(feature) == 1 && (feature & FEATURES_ALL) != 0);
    const struct feature_text *text = &feature_texts[__builtin_ctz(feature)];
    ASSERT(text->feature == feature);
    return text;
}

const char *feature_name(u32 feature) {
    return feature_text(feature)->name;
}

const char *feature_off_text(u32 feature) {
    return feature_text(feature)->off;
}

static struct refusal refuse_plain_opcode(u32 opcode) {
    switch (opcode) {
    case 0x14: // call_ref
    case 0x15: // return_call_ref
    case 0xd4: // ref.as_non_null
    case 0xd5: // br_on_null
    case 0xd6: // br_on_non_null
        return unsupported("illegal opcode: proposal typed function references is not supported");
    case 0xd3: // ref.eq
        return unsupported("illegal opcode: proposal garbage collection is not supported");
    default:
        return malformed("illegal opcode");
    }
}

struct refusal refuse_opcode(u32 prefix, u32 opcode) {
    switch (prefix) {
    case 0:
        return refuse_plain_opcode(opcode);
    case 0xfb:
        return unsupported("illegal opcode: proposal garbage collection is not supported");
    case 0xfc:
        if (opcode >= 19 && opcode <= 22) // i64.add128 to i64.mul_wide_u
            return unsupported("illegal opcode: proposal wide arithmetic is not supported");
        return malformed("illegal opcode");
    default:
        return malformed("illegal opcode");
    }
}

struct refusal refuse_value_type(u8 byte) {
    switch (byte) {
    case 0x63: // ref null
    case 0x64: // ref
        return unsupported(
            "malformed value type: proposal typed function references is not supported");
    case 0x6a: // arrayref
    case 0x6b: // structref
    case 0x6c: // i31ref
    case 0x6d: // eqref
    case 0x6e: // anyref
    case 0x71: // nullref
    case 0x72: // nullexternref
    case 0x73: // nullfuncref
    case 0x74: // nullexnref
        return unsupported("malformed value type: proposal garbage collection is not supported");
    default:
        return malformed("malformed value type");
    }
}

struct refusal refuse_ref_type(u8 byte) {
    switch (byte) {
    case 0x40: // a table with an initial value
    case 0x63:
    case 0x64:
        return unsupported(
            "malformed reference type: proposal typed function references is not supported");
    case 0x6a:
    case 0x6b:
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x71:
    case 0x72:
    case 0x73:
    case 0x74:
        return unsupported("malformed reference type: proposal garbage collection is not "
                           "supported");
    default:
        return malformed("malformed reference type");
    }
}

struct refusal refuse_type_form(u8 byte) {
    switch (byte) {
    case 0x4e: // rec
    case 0x4f: // sub final
    case 0x50: // sub
    case 0x5e: // array
    case 0x5f: // struct
        return unsupported("malformed type form: proposal garbage collection is not supported");
    default:
        // The form is a signed number of seven bits.
        if ((byte & 0x80) != 0)
            return malformed("integer representation too long");
        return malformed("malformed type form");
    }
}

struct refusal refuse_import_kind(void) {
    return malformed("malformed import kind");
}

struct refusal refuse_limits(u8 flags) {
    if ((flags & 0x80) != 0)
        return malformed("integer representation too long");
    if (flags >= 16)
        return malformed("integer too large for limits flags");
    return unsupported(
        "integer too large for limits flags: proposal custom page sizes is not supported");
}

// The proposal that a known type came with.
static u32 value_type_feature(u8 byte) {
    switch (byte) {
    case VALUE_V128:
        return FEATURE_SIMD;
    case VALUE_FUNCREF:
    case VALUE_EXTERNREF:
        return FEATURE_REFERENCE_TYPES;
    case VALUE_EXNREF:
        return FEATURE_EXCEPTIONS;
    default:
        return 0;
    }
}

enum value_type read_value_type(struct reader *r, u32 features) {
    const u8 *where = r->at;
    u8 byte = reader_u8(r);
    switch (byte) {
    case VALUE_I32:
    case VALUE_I64:
    case VALUE_F32:
    case VALUE_F64:
        return (enum value_type)byte;
    case VALUE_V128:
    case VALUE_FUNCREF:
    case VALUE_EXTERNREF:
    case VALUE_EXNREF:
        reader_require(r, where, features, value_type_feature(byte));
        return r->status == OK ? (enum value_type)byte : (enum value_type)0;
    default:
        reader_refuse(r, where, refuse_value_type(byte));
        return (enum value_type)0;
    }
}

enum value_type read_ref_type(struct reader *r, u32 features) {
    const u8 *where = r->at;
    u8 byte = reader_u8(r);
    // A table of functions came with the first version.
    if (byte == VALUE_EXTERNREF || byte == VALUE_EXNREF)
        reader_require(r, where, features, value_type_feature(byte));
    else if (byte != VALUE_FUNCREF)
        reader_refuse(r, where, refuse_ref_type(byte));
    return r->status == OK ? (enum value_type)byte : (enum value_type)0;
}
