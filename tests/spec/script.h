#pragma once
// Specification scripts in binary, so that the same runner executes them on the host and in ring 0.
//
// A script blob is SCRIPT_MAGIC followed by commands until its end; several scripts may follow one
// another. Numbers are little-endian; a `text` is a u32 length and that many bytes.
//
//   command   u8 enum script_command, u32 line in the source, then by command:
//     SCRIPT_BEGIN                text name of the source, u32 enum feature bits of its edition, or
//                                 0 for all: forgets everything before
//     SCRIPT_MODULE               text name or empty, text binary
//     SCRIPT_DEFINITION           text name or empty, text binary: valid, and not instantiated yet
//     SCRIPT_INSTANCE             text name or empty, text name of the definition (or the latest)
//     SCRIPT_REGISTER             text as, text name or empty (the latest module)
//     SCRIPT_ACTION               action
//     SCRIPT_THREAD               text name, text name of the module that it sees, or empty, text
//                                 commands, without SCRIPT_BEGIN
//     SCRIPT_WAIT                 text name of the thread, for its end
//     SCRIPT_ASSERT_RETURN        action, u16 count, that many values
//     SCRIPT_ASSERT_TRAP          action, text expected
//     SCRIPT_ASSERT_EXHAUSTION    action, text expected
//     SCRIPT_ASSERT_EXCEPTION     action
//     SCRIPT_ASSERT_INVALID ..    text expected, text binary
//     SCRIPT_ASSERT_TEXT          text expected: a malformed module in text form, not for an engine
//   action    u8 enum script_action, text module name or empty, text export, u16 count, values
//   value     u8 enum script_value, u64; or SCRIPT_V128, u8 count of lanes, that many values;
//             or SCRIPT_EITHER, u8 count, that many values

#include "base/types.h"

#define SCRIPT_MAGIC "KWS2"

enum script_command : u8 {
    SCRIPT_BEGIN,
    SCRIPT_MODULE,
    SCRIPT_DEFINITION,
    SCRIPT_INSTANCE,
    SCRIPT_REGISTER,
    SCRIPT_ACTION,
    SCRIPT_THREAD,
    SCRIPT_WAIT,
    SCRIPT_ASSERT_RETURN, // from here on assertions
    SCRIPT_ASSERT_TRAP,
    SCRIPT_ASSERT_EXHAUSTION,
    SCRIPT_ASSERT_EXCEPTION,
    SCRIPT_ASSERT_INVALID,
    SCRIPT_ASSERT_MALFORMED,
    SCRIPT_ASSERT_UNLINKABLE,
    SCRIPT_ASSERT_UNINSTANTIABLE,
    SCRIPT_ASSERT_TEXT,
    SCRIPT_COMMAND_COUNT
};

enum script_action : u8 { SCRIPT_INVOKE, SCRIPT_GET };

// The NaN patterns, "not null" and "either" occur in expectations only. An external reference is
// the script's number plus one, null is zero. Lanes of a v128 are two of 64 bits or four of 32;
// smaller ones come packed.
enum script_value : u8 {
    SCRIPT_I32,
    SCRIPT_I64,
    SCRIPT_F32,
    SCRIPT_F64,
    SCRIPT_EXTERNREF,
    SCRIPT_FUNCREF_NULL,
    SCRIPT_FUNCREF_ANY, // not null
    SCRIPT_EXNREF_NULL,
    SCRIPT_EXNREF_ANY,
    SCRIPT_REF_NULL, // of whichever type
    SCRIPT_REF_ANY,
    SCRIPT_F32_CANONICAL,
    SCRIPT_F32_ARITHMETIC,
    SCRIPT_F64_CANONICAL,
    SCRIPT_F64_ARITHMETIC,
    SCRIPT_V128,
    SCRIPT_EITHER,
    SCRIPT_VALUE_COUNT
};
