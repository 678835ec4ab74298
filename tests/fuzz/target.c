// The engine's front on one input: decode, and validate what decoded.
//
// Besides not crashing it states what callers rely on: a refusal has a text, an offset within the
// module and a function that exists; whatever happens, all memory is given back, and no more of it
// was taken at any time than a multiple of the input and the stated limits allow.

#include "tests/fuzz/target.h"

#include "base/assert.h"
#include "engine/validate/validate.h"
#include "tests/fake_host.h"

// What an input may take: its records, and what does not depend on its size (locals, operands and
// blocks up to their limits, one of each doubled while it grows).
#define BYTES_PER_INPUT_BYTE 80
#define BYTES_IN_ANY_CASE    (8 * MIB)

enum status fuzz_try(struct bytes wasm, u32 features) {
    u64 before = fake_host_bytes();
    fake_host_peak_reset();

    struct module_error error = {};
    struct module_decl *decl = NULL;
    enum status status = module_decode(wasm, features, &error, &decl);
    if (status == OK) {
        CHECK(decl != NULL);
        status = validate_module(decl, &error);
    }
    if (status != OK) {
        CHECK(error.status == status);
        CHECK(error.text[0] != 0);
        CHECK(error.offset <= wasm.len);
        CHECK(decl == NULL || error.func == NO_FUNC || error.func < decl->func_count);
    }
    module_decl_destroy(decl);

    CHECK(fake_host_bytes() == before);
    CHECK(fake_host_peak() - before <= BYTES_IN_ANY_CASE + BYTES_PER_INPUT_BYTE * wasm.len);
    return status;
}
