// Random bytes from the CPU: RDSEED, and RDRAND where that is missing or exhausted.

#include "base/math.h"
#include "kernel/arch/x86_64/cpu.h"

#define TRIES 32u // as Intel advises for RDRAND, and some

static bool rdseed(u64 *out) {
    bool ok;
    __asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(ok));
    return ok;
}

static bool rdrand(u64 *out) {
    bool ok;
    __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok));
    return ok;
}

static bool random_word(u64 *out) {
    for (u32 i = 0; cpu_features()->rdseed && i < TRIES; i++) {
        if (rdseed(out))
            return true;
        arch_cpu_relax();
    }
    for (u32 i = 0; cpu_features()->rdrand && i < TRIES; i++) {
        if (rdrand(out))
            return true;
    }
    return false;
}

usize arch_random(void *out, usize len) {
    usize done = 0;
    while (done < len) {
        u64 word;
        if (!random_word(&word))
            break;
        usize part = min_u64(len - done, sizeof word);
        memcpy((u8 *)out + done, &word, part);
        done += part;
    }
    return done;
}
