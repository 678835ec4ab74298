// Compiles a module with the one-pass compiler and prints, for tests/golden.py, each function:
//
//   func INDEX NAME
//   code HEX
//   end OFFSET              (of the code: constants follow)
//   site OFFSET TRAP        (counted from the function's entry; TRAP_NONE: a call returns here)
//   guard OFFSET TRY        (a call that returns here lies in that try)
//   try TRY: TEXT           (its catches, and where they land, and the try around it)
//
// Nothing is run, so the result is the same on every machine: the target has neither LZCNT nor BMI,
// and with --avx AVX, AVX2 and FMA, else none of these.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/baseline/baseline.h"

static struct bytes file_read(const char *path) {
    FILE *file = fopen(path, "rb");
    u8 *data = malloc(1 << 20);
    if (file == NULL || data == NULL) {
        perror(path);
        exit(1);
    }
    usize len = fread(data, 1, 1 << 20, file);
    fclose(file);
    return (struct bytes){data, len};
}

static void check(enum status status, const struct module_error *error) {
    if (status == OK)
        return;
    fprintf(stderr, "golden: %s: %s\n", status_text(status), error->text);
    exit(1);
}

static void func_dump(const struct module_decl *decl, u32 func, const struct code_unit *unit) {
    struct bytes name = decl_func_name(decl, func);
    printf("func %u %.*s\ncode ", func, (int)name.len, (const char *)name.data);
    for (u32 i = 0; i < unit->code.len; i++)
        printf("%02x", unit->code.code[i]);
    printf("\nend %u\n", unit->code_end);
    for (u32 i = 0; i < unit->site_count; i++)
        printf("site %u %s\n", unit->sites[i].code_offset, trap_text(unit->sites[i].trap));
}

static void tries_dump(const struct code_unit *unit) {
    for (u32 i = 0; i < unit->guard_count; i++)
        printf("guard %u %u\n", unit->guards[i].code_offset, unit->guards[i].innermost);
    for (u32 i = 0; i < unit->try_count; i++) {
        const struct code_try *try = &unit->tries[i];
        printf("try %u:", i);
        for (u32 k = try->first_catch; k != NO_CATCH; k = unit->catches[k].next) {
            const struct code_catch *catch = &unit->catches[k];
            if (catch->tag == ANY_TAG)
                printf(" any at %x", catch->landing);
            else
                printf(" tag %u at %x, payload at %u", catch->tag, catch->landing,
                       catch->payload_slot);
            if (catch->ref_slot != NO_SLOT)
                printf(", reference at %u", catch->ref_slot);
            printf(";");
        }
        if (try->outer == NO_TRY)
            printf(" frame of %u\n", try->frame_bytes);
        else
            printf(" then try %u; frame of %u\n", try->outer, try->frame_bytes);
    }
}

int main(int argc, char **argv) {
    bool avx = argc == 3 && strcmp(argv[1], "--avx") == 0;
    if (argc != 2 + avx)
        return 2;
    const char *path = argv[argc - 1];
    struct module_error error = {0};
    struct module_decl *decl = NULL;
    struct instance_layout layout;
    check(module_decode(file_read(path), FEATURES_SUPPORTED, &error, &decl), &error);
    check(layout_compute(decl, &layout), &error);

    u32 *type_ids = malloc((decl->type_count + 1) * sizeof(*type_ids));
    for (u32 i = 0; i < decl->type_count; i++)
        type_ids[i] = 0x100 + i;
    struct compile_target target = {
        .segment = SEGMENT_FS,
        .type_ids = type_ids,
        .has_avx = avx,
        .has_avx2 = avx,
        .has_fma = avx,
    };
    struct baseline *baseline = baseline_create(decl, &layout, &target);
    if (baseline == NULL)
        return 1;
    for (u32 func = decl->func_import_count; func < decl->func_count; func++) {
        struct code_unit unit;
        code_unit_init(&unit);
        check(baseline_compile(baseline, func, &unit, &error), &error);
        func_dump(decl, func, &unit);
        tries_dump(&unit);
        code_unit_fini(&unit);
    }
    baseline_destroy(baseline);
    module_decl_destroy(decl);
    return 0;
}
