#pragma once
// `kwast compile --disassemble`: the code that was made of each function, as text.

#include "engine/api/engine.h"

// Prints the code of all functions, or of the one with this name or number where `which` is not
// NULL. The text of the instructions is LLVM's. `wasm` is what `module` was made from. Returns how
// to exit.
int disassemble(const struct module *module, struct bytes wasm, const char *which);
