#pragma once
// Kwast's own utilities: one program with many names. They read what the kernel tells in /kernel,
// and hold nothing that other programs do not.

#include "base/types.h"

// Prints "NAME: ..." on standard error; returns the status to end with.
int PRINTF_LIKE(1, 2) complain(const char *format, ...);
int misused(void); // the usage, on standard error

int run_bench(int argc, char **argv);
int run_dmesg(int argc, char **argv);
int run_free(int argc, char **argv);
int run_mount(int argc, char **argv);
int run_nproc(int argc, char **argv);
int run_ps(int argc, char **argv);
int run_stty(int argc, char **argv);
int run_timeout(int argc, char **argv);
int run_top(int argc, char **argv);
int run_uptime(int argc, char **argv);

// -- Files of columns (table.c) -------------------------------------------------------------------

#define COLUMNS_MAX   32u
#define KERNEL_FOLDER "/kernel/"

// One of the kernel's files, whose first line names its columns, and whose last column may have
// spaces.
struct table {
    char *text;
    char *names[COLUMNS_MAX];
    u32 column_count;
    char **cells; // row by row
    u32 row_count;
};

// Reads /kernel/NAME. False: it cannot be, which has been said. table_free is right in any case.
bool table_read(const char *name, struct table *out);
void table_free(struct table *table);

// What row `row` has in the column of that name: "" and 0, where there is none.
const char *table_text(const struct table *table, u32 row, const char *column);
u64 table_number(const struct table *table, u32 row, const char *column);

// One of the kernel's files as a whole, NUL-terminated; the caller's. NULL: it cannot be read,
// which has been said.
char *kernel_text(const char *name, usize *len);

// -- Memory (memory.c) ----------------------------------------------------------------------------

struct memory_use {
    u64 total_kib;
    u64 free_kib;
    u64 heap_kib;
};
bool memory_use_read(struct memory_use *out);

u64 clock_ns(void); // since the machine started
