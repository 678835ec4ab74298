// The Lua interpreter on a script: tables, closures, strings, integers and floats.

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "bench/programs/bench.h"

static const char script[] =
    "local rounds = ...\n"
    "local sum = 0\n"
    "local function mix(value) sum = (sum * 31 + value) % 4294967291 end\n"
    "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end\n"
    "local Point = {}\n"
    "Point.__index = Point\n"
    "function Point.new(x, y) return setmetatable({x = x, y = y}, Point) end\n"
    "function Point:add(other) return Point.new(self.x + other.x, self.y + other.y) end\n"
    "for round = 1, rounds do\n"
    "  mix(fib(20))\n"
    "  local sieve, count = {}, 0\n"
    "  for i = 2, 5000 do\n"
    "    if not sieve[i] then\n"
    "      count = count + 1\n"
    "      for j = i * i, 5000, i do sieve[j] = true end\n"
    "    end\n"
    "  end\n"
    "  mix(count)\n"
    "  local words = {}\n"
    "  for i = 1, 1000 do words[#words + 1] = string.format('%05d', i * 7919 % 10007) end\n"
    "  table.sort(words)\n"
    "  mix(#table.concat(words, ','):gsub('1+', 'one'))\n"
    "  local counts = {}\n"
    "  for _, word in ipairs(words) do\n"
    "    local key = word:sub(1, 2)\n"
    "    counts[key] = (counts[key] or 0) + 1\n"
    "  end\n"
    "  mix(counts['00'])\n"
    "  local point, step = Point.new(0, 0), Point.new(0.5, 3)\n"
    "  for i = 1, 5000 do point = point:add(step) end\n"
    "  mix(math.floor(point.x) + point.y)\n"
    "end\n"
    "return sum\n";

static uint64_t work(uint32_t rounds) {
    lua_State *state = luaL_newstate();
    luaL_requiref(state, "_G", luaopen_base, 1);
    luaL_requiref(state, "table", luaopen_table, 1);
    luaL_requiref(state, "string", luaopen_string, 1);
    luaL_requiref(state, "math", luaopen_math, 1);
    lua_settop(state, 0);
    int status = luaL_loadstring(state, script);
    lua_pushinteger(state, rounds);
    if (status != LUA_OK || lua_pcall(state, 1, 1, 0) != LUA_OK) {
        fprintf(stderr, "lua: %s\n", lua_tostring(state, -1));
        exit(1);
    }
    uint64_t sum = (uint64_t)lua_tonumber(state, -1);
    lua_close(state);
    return sum;
}

BENCH_MAIN(80, work)
