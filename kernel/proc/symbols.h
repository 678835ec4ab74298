#pragma once
// Names of compiled functions.

#include "engine/api/engine.h"

// What people know a function by: the name section's name, or else what it is exported as; empty
// when there is neither. Lives as long as the module.
struct bytes symbols_func_name(const struct module *module, u32 func);

// Tells the machine's profilers and debuggers, where somebody asked for it, where the functions of
// `module` are, as PROGRAM!FUNCTION. Without memory they stay untold. Thread context.
void symbols_publish(const struct module *module, const char *program);
