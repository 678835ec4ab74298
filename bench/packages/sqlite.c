// SQLite on a database in memory: inserts, an index, joins, groups, updates, deletions.

#include <sqlite3.h>

#include "bench/programs/bench.h"

static const char setup[] =
    "create table person (id integer primary key, name text, city integer, age integer);"
    "create table city (id integer primary key, name text);"
    "with recursive n(i) as (select 0 union all select i + 1 from n where i < 99)"
    "  insert into city select i, 'city ' || (i * 7919 % 1000) from n;";

static const char round_of_work[] =
    "begin;"
    "with recursive n(i) as (select 0 union all select i + 1 from n where i < 4999)"
    "  insert into person select null, 'person ' || (i * 104729 % 65536), i * 31 % 100, i * 17 % "
    "90 from n;"
    "create index by_city on person (city, age);"
    "select sum(length(person.name)), count(*) from person join city on city.id = person.city"
    "  where age between 20 and 60 and city.name like '%3%';"
    "select city, count(*), avg(age) from person group by city order by 3 desc limit 10;"
    "update person set age = age + 1 where city % 7 = 3;"
    "select count(distinct name), max(age), min(upper(name)) from person;"
    "select name from person order by name desc, id limit 20;"
    "delete from person;"
    "drop index by_city;"
    "commit;";

static int on_row(void *sum, int count, char **values, char **names) {
    (void)names;
    for (int i = 0; i < count; i++) {
        for (const char *at = values[i]; at != NULL && *at != '\0'; at++)
            *(uint64_t *)sum = bench_mix(*(uint64_t *)sum, (uint64_t)*at);
    }
    return 0;
}

static void execute(sqlite3 *database, const char *sql, uint64_t *sum) {
    char *message = NULL;
    if (sqlite3_exec(database, sql, on_row, sum, &message) != SQLITE_OK) {
        fprintf(stderr, "sqlite: %s\n", message);
        exit(1);
    }
}

static uint64_t work(uint32_t rounds) {
    uint64_t sum = 0;
    sqlite3 *database;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK)
        exit(1);
    execute(database, setup, &sum);
    for (uint32_t round = 0; round < rounds; round++)
        execute(database, round_of_work, &sum);
    sqlite3_close(database);
    return sum;
}

BENCH_MAIN(22, work)
