#pragma once
// The fault-safe copies (copy.S) and their table of fix-ups.

#include "base/status.h"
#include "base/types.h"

enum status copy_guarded(u64 to, u64 from, usize len);
enum status fill_guarded(u64 to, u64 pattern, usize len);

// Where a failed copy continues, with its status in rax; 0 when `pc` is in none.
u64 copy_fixup(u64 pc);
