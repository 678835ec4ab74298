#pragma once
// Finding what a command names: a module, or a script and who interprets it.

#include "base/types.h"

#define PROGRAM_SHELL "sh"

struct program {
    char *path; // of the module

    // Of a script: what its first arguments are, in place of the command's own name.
    char *words[3]; // who interprets it, perhaps an argument for that, and the script
    u32 word_count; // 0: it is a module
};

// Where the file `name` or `name`.wasm is, in the directories of `path` (as PATH has them; NULL:
// none) unless there is a slash in it; malloc'ed. NULL: nowhere.
char *program_path(const char *name, const char *path);

// 0 or a WASI error number: ENOENT: there is no such program; ENOEXEC: it is a script whose
// interpreter is not there, which is words[0] then. `out` is to be given to program_fini in any
// case.
u32 program_find(const char *name, const char *path, struct program *out);
void program_fini(struct program *program);
