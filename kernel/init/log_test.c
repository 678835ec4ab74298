// The log on its way to the link: each line at once where that is possible, in order, and without
// ever waiting.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "kernel/init/log.h"
#include "kernel/ipc/link.h"
#include "tests/fake_arch.h"
#include "tests/fake_sched.h"

static char sent[256 * 1024];
static usize sent_len;
static usize window;
static bool is_done;

bool arch_link_present(void) {
    return true;
}

usize arch_link_write(const void *from, usize len) {
    usize take = len < window ? len : window;
    CHECK(sent_len + take < sizeof sent);
    memcpy(sent + sent_len, from, take);
    sent_len += take;
    window -= take;
    return take;
}

usize arch_link_read(void *, usize) {
    return 0;
}

// How often `text` is in what was sent.
static u32 count_of(const char *text) {
    u32 count = 0;
    usize len = strlen(text);
    for (usize at = 0; at + len <= sent_len; at++)
        count += memcmp(sent + at, text, len) == 0;
    return count;
}

static void body(void *) {
    log_init();
    log_console_off();
    log_write(LOG_INFO, "before");
    window = sizeof sent;
    CHECK(link_init(NULL));
    log_write(LOG_INFO, "one");
    CHECK(count_of("before") == 1 && count_of("one") == 1);

    // With interrupts off it is only kept.
    arch_irq_state irq = arch_irq_save();
    log_write(LOG_INFO, "two");
    arch_irq_restore(irq);
    CHECK(count_of("two") == 0);
    log_write(LOG_INFO, "three");
    CHECK(count_of("two") == 1 && count_of("three") == 1);

    // A link that takes nothing holds nobody up.
    window = 0;
    for (u32 i = 0; i < 4000; i++)
        log_write(LOG_INFO, "a line of some length, of which the link has no use for now");
    window = sizeof sent;
    link_interrupt();
    log_flush_to_link();
    log_write(LOG_INFO, "last");
    CHECK(count_of("one") == 1 && count_of("last") == 1);
    is_done = true;
    fake_sched_stop();
}

static void lines_are_sent_at_once_and_never_waited_for(void **) {
    fake_sched_run(body, NULL);
    assert_true(is_done);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_sent_at_once_and_never_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
