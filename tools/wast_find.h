#pragma once
// Which scripts a command line means, what they are called, and of which edition they are.

#include "base/types.h"

struct wast_script {
    char *path;   // of the JSON
    char *name;   // SUITE/FILE.wast, or FILE.wast
    u32 features; // of its edition; 0: all
};

struct wast_scripts {
    struct wast_script *list;
    u32 count;
};

// Adds the script `path`, or all scripts below the folder `path`, in the order of their names. On
// failure says why and returns false.
MUST_USE bool wast_find(const char *path, struct wast_scripts *scripts);
void wast_scripts_fini(struct wast_scripts *scripts);
