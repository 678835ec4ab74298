// jq's interpreter on a program over a document that it parses first.

#include <jq.h>
#include <jv.h>

#include "bench/programs/bench.h"

static const char program[] = "[.[] | select(.age > 30) | {name: (.name | ascii_downcase), city}]"
                              " | group_by(.city) | map({city: .[0].city, count: length, names: "
                              "map(.name) | join(\",\") | length})"
                              " | sort_by(.count) | [.[] | .count * 3 + .names] | add";

static char document[40000];

static void document_fill(void) {
    char *at = document;
    *at++ = '[';
    for (int i = 0; i < 500; i++)
        at += sprintf(at, "%s{\"name\":\"Person %d\",\"age\":%d,\"city\":\"C%d\"}",
                      i == 0 ? "" : ",", i * 7919 % 1000, i * 31 % 80, i * 17 % 40);
    *at++ = ']';
    *at = '\0';
}

static uint64_t work(uint32_t rounds) {
    uint64_t sum = 0;
    document_fill();
    jq_state *jq = jq_init();
    if (jq == NULL || !jq_compile(jq, program))
        exit(1);
    for (uint32_t round = 0; round < rounds; round++) {
        jq_start(jq, jv_parse(document), 0);
        jv result = jq_next(jq);
        if (!jv_is_valid(result))
            exit(1);
        sum = bench_mix(sum, (uint64_t)jv_number_value(result));
        jv_free(result);
    }
    jq_teardown(&jq);
    return sum;
}

BENCH_MAIN(75, work)
