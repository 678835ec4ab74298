// Reading the manifest: lines into words, words into the fields of a service. Nothing is looked up
// here: whether what a service needs exists is found out when it is to start.

#include "user/services/init/manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/kwast/pci.h"
#include "user/services/init/keep.h"

struct words {
    char *at[WORDS_MAX];
    u32 count;
};

// Says what is wrong with the line.
static bool __attribute__((format(printf, 2, 3))) wrong(struct manifest *manifest,
                                                        const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(manifest->error, sizeof manifest->error, format, args);
    va_end(args);
    return false;
}

static bool split(struct manifest *manifest, char *line, struct words *out) {
    out->count = 0;
    for (char *rest = line, *word; (word = strtok_r(rest, " \t\r", &rest)) != NULL;) {
        if (word[0] == '#')
            break;
        if (out->count == WORDS_MAX)
            return wrong(manifest, "more than %u words", WORDS_MAX);
        out->at[out->count++] = word;
    }
    return true;
}

static bool copy_name(struct manifest *manifest, const char *word, char out[NAME_BYTES]) {
    usize len = strlen(word);
    if (len >= NAME_BYTES || strchr(word, '/') != NULL)
        return wrong(manifest, "'%.40s' is no name: at most %u bytes, without slashes", word,
                     NAME_BYTES - 1);
    memcpy(out, word, len + 1);
    return true;
}

static bool parse_number(struct manifest *manifest, const char *word, u64 most, u64 *out) {
    static const char units[] = "KMG";
    char *end;
    unsigned long long value = strtoull(word, &end, 10);
    const char *unit = *end != 0 ? strchr(units, *end) : NULL;
    u32 shift = unit != NULL ? 10 * (u32)(unit - units + 1) : 0;
    bool is_number = end != word && (*end == 0 || (unit != NULL && end[1] == 0));
    if (!is_number || value == 0 || value > most >> shift)
        return wrong(manifest, "'%.40s' is no number from 1 to %llu (K, M and G may follow)", word,
                     (unsigned long long)most);
    *out = (u64)value << shift;
    return true;
}

static bool pick(struct manifest *manifest, const char *word, const char *const *choices, u32 count,
                 u32 *out) {
    for (u32 i = 0; i < count; i++) {
        if (strcmp(word, choices[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return wrong(manifest, "'%.40s' is none of its choices", word);
}

// -- Keys -----------------------------------------------------------------------------------------

typedef bool (*key_parser)(struct manifest *manifest, struct service_config *service,
                           const struct words *words);

static bool parse_run(struct manifest *manifest, struct service_config *service,
                      const struct words *words) {
    (void)manifest;
    for (u32 i = 1; i < words->count; i++)
        service->words[i - 1] = words->at[i];
    service->word_count = words->count - 1;
    return true;
}

static bool parse_serves(struct manifest *manifest, struct service_config *service,
                         const struct words *words) {
    static const char *const kinds[] = {"calls", "stream", "file", "directory", "terminal"};
    u32 kind = KWAST_KIND_DIRECTORY;
    if (service->serves_count == SCHEMES_MAX)
        return wrong(manifest, "serves more than %u schemes", SCHEMES_MAX);
    struct served *served = &service->serves[service->serves_count];
    if (!copy_name(manifest, words->at[1], served->name) ||
        (words->count > 2 && !pick(manifest, words->at[2], kinds, COUNT_OF(kinds), &kind)))
        return false;
    served->kind = (enum kwast_kind)kind;
    service->serves_count++;
    return true;
}

static bool add_names(struct manifest *manifest, const struct words *words,
                      char (*names)[NAME_BYTES], u32 *count) {
    for (u32 i = 1; i < words->count; i++) {
        if (*count == NEEDS_MAX)
            return wrong(manifest, "more than %u names", NEEDS_MAX);
        if (!copy_name(manifest, words->at[i], names[*count]))
            return false;
        (*count)++;
    }
    return true;
}

static bool parse_sees(struct manifest *manifest, struct service_config *service,
                       const struct words *words) {
    for (u32 i = 1; i < words->count; i++) {
        char *path = strchr(words->at[i], ':');
        u32 index = service->sees_count;
        if (path != NULL)
            *path++ = 0;
        const struct words one = {.at = {NULL, words->at[i]}, .count = 2};
        if (!add_names(manifest, &one, service->sees, &service->sees_count))
            return false;
        if (path != NULL && path[0] != '/')
            return wrong(manifest, "'%.40s' is no path: it begins with a slash", path);
        service->paths[index] = path;
    }
    return true;
}

static bool parse_uses(struct manifest *manifest, struct service_config *service,
                       const struct words *words) {
    return add_names(manifest, words, service->uses, &service->uses_count);
}

// Numbers as C has them.
static bool parse_address(struct manifest *manifest, const struct words *words, u32 index, u64 most,
                          u32 *out) {
    if (index >= words->count)
        return wrong(manifest, "'%.40s %.40s' without a number", words->at[0], words->at[1]);
    char *end;
    unsigned long long value = strtoull(words->at[index], &end, 0);
    if (end == words->at[index] || *end != 0 || value > most)
        return wrong(manifest, "'%.40s' is no number up to %llu", words->at[index],
                     (unsigned long long)most);
    *out = (u32)value;
    return true;
}

static bool add_claim(struct manifest *manifest, struct service_config *service,
                      const struct words *words, struct claim claim) {
    if (service->claim_count == CLAIMS_MAX)
        return wrong(manifest, "more than %u devices", CLAIMS_MAX);
    if (!copy_name(manifest, words->at[1], claim.name))
        return false;
    service->claims[service->claim_count++] = claim;
    return true;
}

static bool parse_ports(struct manifest *manifest, struct service_config *service,
                        const struct words *words) {
    struct claim claim = {.kind = CLAIM_PORTS};
    return parse_address(manifest, words, 2, UINT16_MAX, &claim.first) &&
           parse_address(manifest, words, 3, UINT16_MAX, &claim.count) &&
           add_claim(manifest, service, words, claim);
}

static bool parse_interrupt(struct manifest *manifest, struct service_config *service,
                            const struct words *words) {
    struct claim claim = {.kind = CLAIM_INTERRUPT};
    return parse_address(manifest, words, 2, UINT16_MAX, &claim.first) &&
           add_claim(manifest, service, words, claim);
}

static bool parse_screen(struct manifest *manifest, struct service_config *service,
                         const struct words *words) {
    return add_claim(manifest, service, words, (struct claim){.kind = CLAIM_SCREEN});
}

static bool parse_machine(struct manifest *manifest, struct service_config *service,
                          const struct words *words) {
    return add_claim(manifest, service, words, (struct claim){.kind = CLAIM_MACHINE});
}

// VENDOR:DEVICE or VENDOR:DEVICE,DEVICE, hexadecimal.
static bool parse_match(struct manifest *manifest, const char *word, u64 *out) {
    static const char after[] = {':', ',', 0};
    u64 ids[COUNT_OF(after)] = {0};
    const char *at = word;
    u32 count = 0;
    while (count < COUNT_OF(after)) {
        char *end;
        ids[count] = strtoul(at, &end, 16);
        if (end == at || ids[count] > UINT16_MAX)
            break;
        count++;
        if (*end == 0 && count >= 2) {
            *out = pci_match((u16)ids[0], (u16)ids[1], (u16)ids[count - 1]);
            return true;
        }
        if (*end != after[count - 1])
            break;
        at = end + 1;
    }
    return wrong(manifest, "'%.40s' is no VENDOR:DEVICE or VENDOR:DEVICE,DEVICE", word);
}

// Its driver is started when there is one.
static bool parse_pci(struct manifest *manifest, struct service_config *service,
                      const struct words *words) {
    struct claim claim = {.kind = CLAIM_PCI};
    if (words->count < 3)
        return wrong(manifest, "pci NAME VENDOR:DEVICE: which?");
    service->start = START_WANTED;
    return parse_match(manifest, words->at[2], &claim.match) &&
           add_claim(manifest, service, words, claim);
}

static bool parse_streams(struct manifest *manifest, struct service_config *service,
                          const struct words *words) {
    static const char *const kinds[] = {"log", "device", "terminal"};
    u32 kind;
    if (!pick(manifest, words->at[1], kinds, COUNT_OF(kinds), &kind))
        return false;
    service->streams = (enum streams)kind;
    if (service->streams != STREAMS_TERMINAL)
        return true;
    if (words->count < 3)
        return wrong(manifest, "streams terminal NAME: whose?");
    return copy_name(manifest, words->at[2], service->terminal);
}

static bool parse_env(struct manifest *manifest, struct service_config *service,
                      const struct words *words) {
    for (u32 i = 1; i < words->count; i++) {
        if (service->variable_count == VARIABLES_MAX)
            return wrong(manifest, "more than %u variables", VARIABLES_MAX);
        if (strchr(words->at[i], '=') == NULL)
            return wrong(manifest, "'%.40s' is no NAME=VALUE", words->at[i]);
        service->variables[service->variable_count++] = words->at[i];
    }
    return true;
}

static bool parse_memory(struct manifest *manifest, struct service_config *service,
                         const struct words *words) {
    return parse_number(manifest, words->at[1], 1ull << 40, &service->limits.memory_limit);
}

static bool parse_small(struct manifest *manifest, const struct words *words, u64 most, u32 *out) {
    u64 value;
    if (!parse_number(manifest, words->at[1], most, &value))
        return false;
    *out = (u32)value;
    return true;
}

static bool parse_handles(struct manifest *manifest, struct service_config *service,
                          const struct words *words) {
    return parse_small(manifest, words, 1u << 20, &service->limits.handle_limit);
}

static bool parse_threads(struct manifest *manifest, struct service_config *service,
                          const struct words *words) {
    return parse_small(manifest, words, 1u << 16, &service->limits.thread_limit);
}

static bool parse_share(struct manifest *manifest, struct service_config *service,
                        const struct words *words) {
    return parse_small(manifest, words, 1000, &service->limits.cpu_share);
}

static bool parse_cpus(struct manifest *manifest, struct service_config *service,
                       const struct words *words) {
    for (u32 i = 1; i < words->count; i++) {
        char *end;
        unsigned long cpu = strtoul(words->at[i], &end, 10);
        if (words->at[i][0] < '0' || words->at[i][0] > '9' || *end != 0 || cpu >= CPUS_MAX)
            return wrong(manifest, "'%.40s' is no CPU: these are 0 to %u", words->at[i],
                         CPUS_MAX - 1);
        service->limits.cpus |= 1u << cpu;
    }
    return true;
}

static bool parse_keeps(struct manifest *manifest, struct service_config *service,
                        const struct words *words) {
    return parse_small(manifest, words, KEPT_MAX, &service->keeps);
}

static bool parse_sets(struct manifest *manifest, struct service_config *service,
                       const struct words *words) {
    static const char *const things[] = {"clock"};
    u32 thing;
    service->sets_clock = pick(manifest, words->at[1], things, COUNT_OF(things), &thing);
    return service->sets_clock;
}

static bool parse_isolation(struct manifest *manifest, struct service_config *service,
                            const struct words *words) {
    static const char *const kinds[] = {"sip", "domain"};
    return pick(manifest, words->at[1], kinds, COUNT_OF(kinds), &service->limits.isolation);
}

static bool parse_restart(struct manifest *manifest, struct service_config *service,
                          const struct words *words) {
    static const char *const policies[] = {"never", "failure", "always"};
    u32 policy;
    if (!pick(manifest, words->at[1], policies, COUNT_OF(policies), &policy))
        return false;
    service->restart = (enum restart)policy;
    return true;
}

static bool parse_reserve(struct manifest *manifest, struct service_config *service,
                          const struct words *words) {
    static const char *const answers[] = {"no", "yes"};
    u32 answer;
    if (!pick(manifest, words->at[1], answers, COUNT_OF(answers), &answer))
        return false;
    service->reserve = answer == 0 ? RESERVE_NO : RESERVE_YES;
    return true;
}

// What an earlier service has, but for what only one can have. Whatever stood before it would be
// lost.
static bool parse_like(struct manifest *manifest, struct service_config *service,
                       const struct words *words) {
    if (!manifest->is_first)
        return wrong(manifest, "'like' has to be the first line of service '%s'", service->name);
    for (u32 i = 0; i < manifest->count - 1; i++) {
        const struct service_config *other = &manifest->services[i];
        if (strcmp(other->name, words->at[1]) != 0)
            continue;
        struct service_config copy = *other;
        memcpy(copy.name, service->name, sizeof copy.name);
        copy.line = service->line;
        copy.serves_count = 0;
        copy.claim_count = 0;
        *service = copy;
        return true;
    }
    return wrong(manifest, "no service '%.40s' before this one", words->at[1]);
}

static bool parse_start(struct manifest *manifest, struct service_config *service,
                        const struct words *words) {
    static const char *const times[] = {"boot", "wanted", "screen", "machine"};
    u32 time;
    if (!pick(manifest, words->at[1], times, COUNT_OF(times), &time))
        return false;
    service->start = (enum start_time)time;
    return true;
}

static const struct {
    const char *key;
    key_parser parse;
} keys[] = {
    {"run", parse_run},
    {"serves", parse_serves},
    {"sees", parse_sees},
    {"uses", parse_uses},
    {"streams", parse_streams},
    {"env", parse_env},
    {"memory", parse_memory},
    {"handles", parse_handles},
    {"threads", parse_threads},
    {"share", parse_share},
    {"isolation", parse_isolation},
    {"restart", parse_restart},
    {"start", parse_start},
    {"like", parse_like},
    {"ports", parse_ports},
    {"interrupt", parse_interrupt},
    {"screen", parse_screen},
    {"machine", parse_machine},
    {"pci", parse_pci},
    {"cpus", parse_cpus},
    {"keeps", parse_keeps},
    {"reserve", parse_reserve},
    {"sets", parse_sets},
};

// -- Lines ----------------------------------------------------------------------------------------

static bool begin_service(struct manifest *manifest, const struct words *words, u32 line) {
    if (manifest->count == SERVICES_MAX)
        return wrong(manifest, "more than %u services", SERVICES_MAX);
    struct service_config *service = &manifest->services[manifest->count];
    *service = (struct service_config){.line = line};
    manifest->is_first = true;
    if (!copy_name(manifest, words->at[1], service->name))
        return false;
    for (u32 i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->services[i].name, service->name) == 0)
            return wrong(manifest, "a second service '%s'", service->name);
    }
    manifest->count++;
    return true;
}

static bool parse_line(struct manifest *manifest, char *text, u32 line) {
    struct words words;
    if (!split(manifest, text, &words))
        return false;
    if (words.count == 0)
        return true;
    if (words.count == 1)
        return wrong(manifest, "'%.40s' without anything behind it", words.at[0]);
    if (strcmp(words.at[0], "service") == 0)
        return begin_service(manifest, &words, line);
    if (manifest->count == 0)
        return wrong(manifest, "'%.40s' before any 'service NAME'", words.at[0]);
    for (u32 i = 0; i < COUNT_OF(keys); i++) {
        if (strcmp(words.at[0], keys[i].key) != 0)
            continue;
        bool is_right = keys[i].parse(manifest, &manifest->services[manifest->count - 1], &words);
        manifest->is_first = false;
        return is_right;
    }
    return wrong(manifest, "'%.40s' is no key", words.at[0]);
}

bool manifest_parse(struct manifest *manifest, char *text) {
    manifest->count = 0;
    manifest->error[0] = 0;
    manifest->error_line = 0;
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = 0;
        manifest->error_line++;
        if (!parse_line(manifest, line, manifest->error_line))
            return false;
        line = end != NULL ? end + 1 : NULL;
    }
    return true;
}
