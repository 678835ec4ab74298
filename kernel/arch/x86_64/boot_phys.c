// Physical memory as the boot page tables show it.

#include "base/math.h"
#include "kernel/arch/x86_64/early.h"
#include "kernel/arch/x86_64/layout.h"

const void *boot_phys(u64 phys, u64 len) {
    if (phys == 0 || !range_fits(phys, len, 4 * GIB))
        return NULL;
    return (const void *)(DIRECT_MAP_BASE + phys);
}
