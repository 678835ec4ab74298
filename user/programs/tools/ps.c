// ps: the processes.

#include <stdio.h>
#include <unistd.h>

#include "user/programs/tools/tools.h"

static void print_row(const struct table *table, u32 row) {
    u64 centiseconds = table_number(table, row, "cpu_us") / 10000;
    printf("%6s %6s %c %4s %4llu:%02llu.%02llu %9llu  %s\n", table_text(table, row, "id"),
           table_text(table, row, "parent"), *table_text(table, row, "state"),
           table_text(table, row, "threads"), centiseconds / 6000, centiseconds / 100 % 60,
           centiseconds % 100, table_number(table, row, "memory_kib"),
           table_text(table, row, "name"));
}

int run_ps(int argc, char **argv) {
    struct table table;
    bool wants_all = false;
    for (int option; (option = getopt(argc, argv, "l")) != -1;) {
        if (option == '?')
            return misused();
        wants_all = true;
    }
    if (wants_all) {
        usize len;
        char *text = kernel_text("processes", &len);
        if (text == NULL)
            return 1;
        fwrite(text, 1, len, stdout);
        return 0;
    }
    bool done = table_read("processes", &table);
    if (done) {
        printf("%6s %6s %c %4s %10s %9s  %s\n", "ID", "PARENT", 'S', "THR", "TIME", "KIB", "NAME");
        for (u32 i = 0; i < table.row_count; i++)
            print_row(&table, i);
    }
    table_free(&table);
    return done ? 0 : 1;
}
