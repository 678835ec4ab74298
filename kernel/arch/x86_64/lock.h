#pragma once
// The port's own locks: held for a few instructions with interrupts off. Nothing of the kernel is
// called under one, so they rank after all of the kernel's (docs/LOCKING.md).

#include "kernel/arch/arch.h"

struct port_lock {
    u32 taken; // atomic
};

static inline arch_irq_state port_lock(struct port_lock *lock) {
    arch_irq_state irq = arch_irq_save();
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0)
        arch_cpu_relax();
    return irq;
}

static inline void port_unlock(struct port_lock *lock, arch_irq_state irq) {
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE); // pairs with the exchange in port_lock
    arch_irq_restore(irq);
}
