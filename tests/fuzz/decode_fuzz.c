// The libFuzzer target for decoder and validator: any bytes.

#include "engine/api/engine.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    (void)fuzz_try((struct bytes){data, len}, FEATURES_ALL);
    return 0;
}
