// The MuJS interpreter on a script: objects, prototypes, closures, arrays, strings.

#include <mujs.h>

#include "bench/programs/bench.h"

static const char script[] = "var sum = 0;\n"
                             "function mix(value) { sum = (sum * 31 + value) % 4294967291; }\n"
                             "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
                             "function Point(x, y) { this.x = x; this.y = y; }\n"
                             "Point.prototype.add = function (other) { return new Point(this.x + "
                             "other.x, this.y + other.y); };\n"
                             "function round() {\n"
                             "  mix(fib(15));\n"
                             "  var sieve = [], count = 0, i, j;\n"
                             "  for (i = 0; i < 2000; ++i) sieve[i] = false;\n"
                             "  for (i = 2; i < 2000; ++i) {\n"
                             "    if (sieve[i]) continue;\n"
                             "    count++;\n"
                             "    for (j = i * i; j < 2000; j += i) sieve[j] = true;\n"
                             "  }\n"
                             "  mix(count);\n"
                             "  var words = [];\n"
                             "  for (i = 0; i < 200; ++i) words.push('w' + (i * 7919 % 10007));\n"
                             "  words.sort();\n"
                             "  mix(words.join(',').replace(/1+/g, 'one').length);\n"
                             "  var counts = {};\n"
                             "  for (i = 0; i < words.length; ++i) {\n"
                             "    var key = words[i].substring(0, 2);\n"
                             "    counts[key] = (counts[key] || 0) + 1;\n"
                             "  }\n"
                             "  mix(counts.w1);\n"
                             "  var point = new Point(0, 0), step = new Point(1, 3);\n"
                             "  for (i = 0; i < 1000; ++i) point = point.add(step);\n"
                             "  mix(point.x + point.y);\n"
                             "}\n";

static uint64_t work(uint32_t rounds) {
    js_State *state = js_newstate(NULL, NULL, JS_STRICT);
    if (js_dostring(state, script) != 0)
        exit(1);
    for (uint32_t round = 0; round < rounds; round++) {
        js_getglobal(state, "round");
        js_pushundefined(state);
        js_call(state, 0);
        js_pop(state, 1);
    }
    js_getglobal(state, "sum");
    uint64_t sum = (uint64_t)js_tonumber(state, -1);
    js_freestate(state);
    return sum;
}

BENCH_MAIN(160, work)
