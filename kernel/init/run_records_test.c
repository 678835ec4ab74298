// boot/run: every record means what abi/kwast/boot.h says, and everything else is refused.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/init/run_records.h"
#include "kernel/mm/heap.h"
#include "tests/fake_arch.h"

static void all_records_are_understood(void **) {
    static const char text[] =
        "program=bin/p.wasm\0arg=p\0arg=\0arg=a=b\0env=A=\0env=B=x=y\0"
        "preopen=/=\0preopen=/data=some/dir\0root=/host=63\0kernel=/k\0memory=1048576\0"
        "share=1000\0trace=1048576\0"
        "invoke=main\0times=1\0isolation=domain\0wast=0";
    struct run_records records;
    const char *why;
    fake_machine_start_simple(16 * MIB);
    assert_int_equal(
        run_records_parse((struct bytes){(const u8 *)text, sizeof text}, &records, &why), OK);
    assert_true(bytes_equal_text(records.program, "bin/p.wasm"));
    assert_int_equal(records.args.count, 3);
    assert_int_equal(records.args.bytes, 7);
    assert_memory_equal(records.args.data, "p\0\0a=b\0", 7);
    assert_int_equal(records.env.count, 2);
    assert_memory_equal(records.env.data, "A=\0B=x=y\0", 9);
    assert_int_equal(records.preopen_count, 4);
    assert_true(bytes_equal_text(records.preopens[0].guest, "/"));
    assert_int_equal(records.preopens[0].path.len, 0);
    assert_true(bytes_equal_text(records.preopens[1].path, "some/dir"));
    assert_false(records.preopens[1].is_root);
    assert_true(records.preopens[2].is_root);
    assert_int_equal(records.preopens[2].root, 63);
    assert_false(records.preopens[2].is_kernel);
    assert_true(records.preopens[3].is_kernel);
    assert_true(bytes_equal_text(records.preopens[3].guest, "/k"));
    assert_int_equal(records.memory_limit, 1048576);
    assert_int_equal(records.cpu_share, 1000);
    assert_int_equal(records.trace_events, 1048576);
    assert_string_equal(records.invoke, "main");
    assert_true(records.wants_times);
    assert_true(records.in_domain);
    assert_false(records.is_script);
    run_records_fini(&records);
    struct heap_stats stats;
    heap_stats(&stats);
    assert_int_equal(stats.bytes_used, 0);
}

#define CASE(text, why) {text, sizeof text, why}

static const struct refusal {
    const char *text;
    usize len;
    const char *why;
} refusals[] = {
    {"", 0, "no records"},
    {"program=x", 9, "the last record does not end"},
    CASE("", "a record is not KEY=VALUE"),
    CASE("program", "a record is not KEY=VALUE"),
    CASE("program=", "an empty program"),
    CASE("arg=x", "the first record is not the program"),
    CASE("program=x\0program=y", "a second program"),
    CASE("program=x\0unknown=1", "an unknown key"),
    CASE("program=x\0isolation=solitary", "isolation is not sip or domain"),
    CASE("program=x\0=1", "an unknown key"),
    CASE("program=x\0env=novalue", "an env is not NAME=VALUE"),
    CASE("program=x\0env==v", "an env is not NAME=VALUE"),
    CASE("program=x\0preopen=/", "a preopen is not GUEST=PATH"),
    CASE("program=x\0preopen==a", "a preopen is not GUEST=PATH"),
    CASE("program=x\0root=/", "a preopen is not GUEST=PATH"),
    CASE("program=x\0root=/=", "a root is not a number, or too large"),
    CASE("program=x\0root=/=x", "a root is not a number, or too large"),
    CASE("program=x\0root=/=64", "a root is not a number, or too large"),
    CASE("program=x\0root=/=4294967296", "a root is not a number, or too large"),
    CASE("program=x\0memory=", "memory is not a number"),
    CASE("program=x\0memory=12k", "memory is not a number"),
    CASE("program=x\0memory=99999999999999999999999", "memory is not a number"),
    CASE("program=x\0kernel=", "an empty kernel"),
    CASE("program=x\0share=0", "share is not 1 to 1000"),
    CASE("program=x\0share=1001", "share is not 1 to 1000"),
    CASE("program=x\0share=4294967297", "share is not 1 to 1000"),
    CASE("program=x\0share=x", "share is not 1 to 1000"),
    CASE("program=x\0trace=0", "trace is not a number, or too large"),
    CASE("program=x\0trace=1048577", "trace is not a number, or too large"),
    CASE("program=x\0invoke=", "an empty invoke"),
    CASE("program=x\0times=yes", "times is not 0 or 1"),
    CASE("program=x\0wast=2", "wast is not 0 or 1"),
};

static void everything_else_is_refused(void **) {
    fake_machine_start_simple(16 * MIB);
    for (u32 i = 0; i < COUNT_OF(refusals); i++) {
        struct run_records records;
        const char *why;
        struct bytes text = {(const u8 *)refusals[i].text, refusals[i].len};
        assert_int_equal(run_records_parse(text, &records, &why), ERR_MALFORMED);
        assert_string_equal(why, refusals[i].why);
        run_records_fini(&records);
    }
}

static void preopens_have_a_limit(void **) {
    static char text[16 + 16 * (RUN_PREOPENS_MAX + 1)];
    struct run_records records;
    const char *why;
    usize len = 10;
    fake_machine_start_simple(16 * MIB);
    memcpy(text, "program=x", 10);
    for (u32 i = 0; i < RUN_PREOPENS_MAX; i++, len += 12)
        memcpy(text + len, "preopen=a=b", 12);
    assert_int_equal(run_records_parse((struct bytes){(u8 *)text, len}, &records, &why), OK);
    run_records_fini(&records);
    memcpy(text + len, "preopen=a=b", 12);
    assert_int_equal(run_records_parse((struct bytes){(u8 *)text, len + 12}, &records, &why),
                     ERR_MALFORMED);
    run_records_fini(&records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_records_are_understood),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(preopens_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
