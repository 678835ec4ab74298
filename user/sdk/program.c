// Finding programs. A script says in its first line who interprets it ("#! /bin/sh -e"); of that
// only the last name counts, because interpreters are where all programs are. A script without such
// a line is the shell's.

#include "user/sdk/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#define HEAD_BYTES 128u
#define PATH_BYTES 4096u
#define BLANKS     " \t\r"

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static char *find_in(const char *folder, int len, const char *name) {
    static const char *const endings[] = {".wasm", ""};
    char path[PATH_BYTES];
    for (u32 i = 0; i < COUNT_OF(endings); i++) {
        int need = snprintf(path, sizeof path, "%.*s%s%s%s", len, folder, len != 0 ? "/" : "", name,
                            endings[i]);
        if (need > 0 && (usize)need < sizeof path && is_file(path))
            return strdup(path);
    }
    return NULL;
}

char *program_path(const char *name, const char *path) {
    if (strchr(name, '/') != NULL)
        return find_in("", 0, name);
    while (path != NULL && *path != 0) {
        usize len = strcspn(path, ":");
        char *found = find_in(path, (int)len, name);
        if (found != NULL)
            return found;
        path += len + (path[len] == ':');
    }
    return NULL;
}

// The first line of a script. False: it is a module, or cannot be read, which is for others to say.
static bool read_head(const char *path, char line[HEAD_BYTES]) {
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? 0 : read(fd, line, HEAD_BYTES - 1);
    if (fd >= 0)
        close(fd);
    line[len < 0 ? 0 : len] = 0;
    if (len <= 0 || memcmp(line, "\0asm", len < 4 ? (usize)len : 4) == 0)
        return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static u32 add_word(struct program *program, const char *word) {
    program->words[program->word_count] = strdup(word);
    return program->words[program->word_count++] == NULL ? __WASI_ERRNO_NOMEM : 0;
}

// The one argument that a script may have for its interpreter: what is left of the line, without
// the blanks around it. NULL: there is none.
static char *argument_in(char *rest) {
    rest += strspn(rest, BLANKS);
    usize len = strlen(rest);
    while (len != 0 && strchr(BLANKS, rest[len - 1]) != NULL)
        len--;
    rest[len] = 0;
    return len == 0 ? NULL : rest;
}

// `program->path` is a script, which begins with `line`.
static u32 find_interpreter(struct program *program, char *line, const char *path) {
    char *rest = strncmp(line, "#!", 2) == 0 ? line + 2 : NULL;
    char *name = rest == NULL ? NULL : strtok_r(rest, BLANKS, &rest);
    char *argument = name == NULL || rest == NULL ? NULL : argument_in(rest);
    char *script = program->path;
    name = name == NULL ? PROGRAM_SHELL : (char *)(uptr)base_name(name);
    program->path = program_path(name, path);
    u32 error = add_word(program, name);
    if (error == 0 && argument != NULL)
        error = add_word(program, argument);
    if (error == 0)
        error = add_word(program, script);
    free(script);
    return error == 0 && program->path == NULL ? __WASI_ERRNO_NOEXEC : error;
}

u32 program_find(const char *name, const char *path, struct program *out) {
    char line[HEAD_BYTES];
    *out = (struct program){.path = program_path(name, path)};
    if (out->path == NULL)
        return __WASI_ERRNO_NOENT;
    return read_head(out->path, line) ? find_interpreter(out, line, path) : 0;
}

void program_fini(struct program *program) {
    for (u32 i = 0; i < program->word_count; i++)
        free(program->words[i]);
    free(program->path);
    *program = (struct program){.path = NULL};
}
