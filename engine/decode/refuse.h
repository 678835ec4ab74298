#pragma once
// The texts for what a module uses and may not: proposals that are switched off, and those that
// this engine does not know but recognises. Only engine/decode includes this.

#include "engine/api/engine.h"
#include "engine/decode/reader.h"

struct refusal {
    enum status status; // ERR_UNSUPPORTED where a proposal was recognised, else ERR_MALFORMED
    const char *text;
};

// "... is switched off", naming the proposal; `feature` is one enum feature bit.
const char *feature_off_text(u32 feature);

// An opcode, behind a prefix or behind none (0), that is not in wasm_ops.def.
struct refusal refuse_opcode(u32 prefix, u32 opcode);

// Bytes that are no value type, reference type, type form or import kind here.
struct refusal refuse_value_type(u8 byte);
struct refusal refuse_ref_type(u8 byte);
struct refusal refuse_type_form(u8 byte);
struct refusal refuse_import_kind(void);

// The flag byte of limits, when it has bits that mean nothing here.
struct refusal refuse_limits(u8 flags);

static inline void reader_refuse(struct reader *r, const u8 *where, struct refusal refusal) {
    reader_fail_at(r, where, refusal.status, refusal.text);
}

// Fails the reader unless `feature` is among `features`.
static inline void reader_require(struct reader *r, const u8 *where, u32 features, u32 feature) {
    if ((feature & ~features) != 0)
        reader_fail_at(r, where, ERR_UNSUPPORTED, feature_off_text(feature));
}

// Reads a value type or a reference type; 0 on failure.
enum value_type read_value_type(struct reader *r, u32 features);
enum value_type read_ref_type(struct reader *r, u32 features);
