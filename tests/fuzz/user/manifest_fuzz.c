// The libFuzzer target for init's manifest: any text. What was read is within its bounds, and what
// was refused says why.

#include "tests/fuzz/user/fake_kernel.h"
#include "user/services/init/manifest.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define TEXT_MAX 8192u

static void check(const struct service_config *service, const char *text, usize len) {
    MUST(strnlen(service->name, NAME_BYTES) < NAME_BYTES);
    MUST(service->word_count <= WORDS_MAX && service->serves_count <= SCHEMES_MAX);
    MUST(service->sees_count <= NEEDS_MAX && service->uses_count <= NEEDS_MAX);
    MUST(service->claim_count <= CLAIMS_MAX && service->variable_count <= VARIABLES_MAX);
    for (u32 i = 0; i < service->word_count; i++)
        MUST(service->words[i] >= text && service->words[i] < text + len);
    for (u32 i = 0; i < service->variable_count; i++)
        MUST(strchr(service->variables[i], '=') != NULL);
    for (u32 i = 0; i < service->sees_count; i++)
        MUST(service->paths[i] == NULL || service->paths[i][0] == '/');
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    static struct manifest manifest;
    static char text[TEXT_MAX + 1];
    len = len < TEXT_MAX ? len : TEXT_MAX;
    memcpy(text, data, len);
    text[len] = 0;
    bool is_good = manifest_parse(&manifest, text);
    MUST(is_good || (manifest.error[0] != 0 && manifest.error_line != 0));
    MUST(manifest.count <= SERVICES_MAX);
    for (u32 i = 0; i < manifest.count; i++)
        check(&manifest.services[i], text, len);
    return 0;
}
