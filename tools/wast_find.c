// Finds scripts. A suite is a folder: 2.0/br_if/br_if.json is 2.0/br_if.wast of the suite 2.0.
//
// The folder also says which edition of the language a script is of, for the editions and proposals
// that have published a suite. Scripts in any other folder may use all that there is.

#include "tools/wast_find.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/engine.h"
#include "tools/lib/report.h"

#define EDITION_1 FEATURE_MUTABLE_GLOBALS
#define EDITION_2                                                                                  \
    (EDITION_1 | FEATURE_SIGN_EXTENSION | FEATURE_SATURATING_CONVERSION | FEATURE_MULTI_VALUE |    \
     FEATURE_BULK_MEMORY | FEATURE_REFERENCE_TYPES | FEATURE_SIMD)

static const struct {
    const char *folder;
    u32 features;
} editions[] = {
    {"1.0", EDITION_1},
    {"2.0", EDITION_2},
    {"extended-const", EDITION_2 | FEATURE_EXTENDED_CONST},
    {"tail-call", EDITION_2 | FEATURE_TAIL_CALLS},
};

// The nearest folder that names an edition, of the `len` bytes before the file's name.
static u32 edition_of(const char *path, usize len) {
    while (len != 0) {
        usize end = len;
        while (len != 0 && path[len - 1] != '/')
            len--;
        for (usize i = 0; i < COUNT_OF(editions); i++) {
            if (strlen(editions[i].folder) == end - len &&
                memcmp(editions[i].folder, path + len, end - len) == 0)
                return editions[i].features;
        }
        len -= len != 0;
    }
    return 0;
}

// The path from byte `from` on, without folders that repeat what follows or precedes them, and with
// the suffix of the source.
static char *name_of(const char *path, usize from) {
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    int stem = (int)(strlen(file) - strlen(".json"));
    char *name = malloc(strlen(path) + sizeof ".wast");
    if (name == NULL)
        abort();
    char *to = name;
    const char *last = "";
    usize last_len = 0;
    for (const char *at = path + from; at < file;) {
        usize len = strcspn(at, "/");
        bool repeats = (len == last_len && memcmp(at, last, len) == 0) ||
                       (len == (usize)stem && memcmp(at, file, len) == 0);
        if (!repeats && len != 0)
            to += sprintf(to, "%.*s/", (int)len, at);
        last = at;
        last_len = len;
        at += len + 1;
    }
    sprintf(to, "%.*s.wast", stem, file);
    return name;
}

static bool is_script(const char *path) {
    usize len = strlen(path);
    return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

static void add(struct wast_scripts *scripts, const char *path, usize name_from) {
    scripts->list = realloc(scripts->list, (scripts->count + 1) * sizeof *scripts->list);
    char *copy = strdup(path);
    if (scripts->list == NULL || copy == NULL)
        abort();
    const char *slash = strrchr(path, '/');
    usize folder_len = slash != NULL ? (usize)(slash - path) : 0;
    scripts->list[scripts->count++] = (struct wast_script){
        .path = copy,
        .name = name_of(path, name_from),
        .features = edition_of(path, folder_len),
    };
}

// nftw has no context argument; the walk is over when wast_find returns.
static struct {
    struct wast_scripts *scripts;
    usize name_from;
} walk;

static int visit(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)place;
    if (type == FTW_F && is_script(path))
        add(walk.scripts, path, walk.name_from);
    return 0;
}

static int compare(const void *a, const void *b) {
    const struct wast_script *first = a;
    const struct wast_script *second = b;
    return strcmp(first->name, second->name);
}

// Where the last component of `path` begins.
static usize last_component(const char *path) {
    usize at = strlen(path);
    while (at != 0 && path[at - 1] == '/')
        at--;
    while (at != 0 && path[at - 1] != '/')
        at--;
    return at;
}

bool wast_find(const char *path, struct wast_scripts *scripts) {
    if (is_script(path)) {
        add(scripts, path, last_component(path));
        return true;
    }
    u32 before = scripts->count;
    walk.scripts = scripts;
    walk.name_from = last_component(path);
    if (nftw(path, visit, 16, 0) != 0) {
        report_error(path, "%s", strerror(errno));
        return false;
    }
    if (scripts->count == before) {
        report_error(path, "there is no script (*.json) in it");
        return false;
    }
    qsort(scripts->list + before, scripts->count - before, sizeof *scripts->list, compare);
    return true;
}

void wast_scripts_fini(struct wast_scripts *scripts) {
    for (u32 i = 0; i < scripts->count; i++) {
        free(scripts->list[i].path);
        free(scripts->list[i].name);
    }
    free(scripts->list);
    *scripts = (struct wast_scripts){0};
}
