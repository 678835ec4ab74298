#pragma once
// Undoes one known fault of a converter in the modules that it wrote.

#include "base/types.h"

// wabt 1.0.41 (its issue 2845) writes how many imports there are where the number of entries of the
// import section belongs, which differ when it has put imports of one module into one entry. No
// decoder accepts that. Where `bytes` is such a module the count is put right; whether it was.
bool wast_repair_imports(u8 *bytes, usize len);
