// Traps, and signals by name. A signal is a note to a process (abi/kwast/calls.h): one that takes
// it finds it when it looks. The shell looks between commands, and where it waits for something
// that may take long; so a trap runs when the command in the foreground has ended, as POSIX has it.
// Who does not take a signal is killed by it, and by Ctrl-C the command is told at the same time as
// the shell.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

#define EXIT      0u
#define INTERRUPT KWAST_NOTE_INTERRUPT
#define BIT(n)    (1u << (n))

static const struct {
    const char *name;
    u32 number;
} conditions[] = {
    {"EXIT", EXIT},
    {"HUP", SIGNAL_HANGUP},
    {"INT", INTERRUPT},
    {"QUIT", 3},
    {"ABRT", 6},
    {"KILL", SIGNAL_KILL},
    {"USR1", 10},
    {"USR2", 12},
    {"PIPE", 13},
    {"ALRM", 14},
    {"TERM", SIGNAL_TERM},
    {"CONT", SIGNAL_CONTINUE},
    {"STOP", SIGNAL_STOP},
    {"TSTP", SIGNAL_STOP_KEY},
    {"TTIN", SIGNAL_STOP_READ},
    {"TTOU", SIGNAL_STOP_WRITE},
};

static char *actions[KWAST_NOTES]; // by number; "": it is ignored
static u32 ignored;                // that we were started with: it stays so
static u32 pending;                // that have come, and were not acted on
static int status_before = -1;     // of the command before the action that runs; -1: none runs

// -- Names ----------------------------------------------------------------------------------------

bool signal_find(const char *name, u32 *out) {
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (u32 i = 0; i < COUNT_OF(conditions); i++) {
        bool is_number = *end == 0 && end != name && number == conditions[i].number;
        if (!is_number && strcmp(conditions[i].name, name) != 0)
            continue;
        *out = conditions[i].number;
        return true;
    }
    return false;
}

void signals_print(void) {
    for (u32 i = 1; i < COUNT_OF(conditions); i++)
        printf("%2u %s\n", conditions[i].number, conditions[i].name);
}

// -- Taking ---------------------------------------------------------------------------------------

static u32 trapped_mask(void) {
    u32 mask = 0;
    for (u32 number = 1; number < KWAST_NOTES; number++) {
        if (actions[number] != NULL && actions[number][0] != 0)
            mask |= BIT(number);
    }
    return mask & ~ignored;
}

// An interactive shell does not end by these, as nobody could want that of a command.
static u32 taken_mask(void) {
    return trapped_mask() | (shell.is_interactive ? BIT(SIGNAL_TERM) | BIT(INTERRUPT) : 0);
}

static u32 ignored_mask(void) {
    u32 mask = ignored;
    for (u32 number = 1; number < KWAST_NOTES; number++) {
        if (actions[number] != NULL && actions[number][0] == 0)
            mask |= BIT(number);
    }
    return mask;
}

static void look(void) {
    struct kwast_notes notes;
    if (kwast_process_notes(taken_mask(), ignored_mask(), &notes) == 0)
        pending |= notes.came & trapped_mask();
}

void traps_begin(bool is_subshell) {
    struct kwast_notes notes;
    char text[16];
    if (kwast_process_notes(0, 0, &notes) != 0)
        return;
    ignored = notes.ignored;
    for (u32 number = 1; number < KWAST_NOTES && is_subshell; number++) {
        if ((ignored & BIT(number)) != 0)
            actions[number] = must_have(strdup(""));
    }
    ignored = is_subshell ? 0 : ignored;
    if (shell.number == 0)
        shell.number = notes.id;
    if (!is_subshell) {
        snprintf(text, sizeof text, "%u", notes.parent);
        variable_set("PPID", text);
    }
    look();
}

bool traps_are_set(void) {
    return trapped_mask() != 0;
}

u32 trap_came(void) {
    u32 number = 0;
    if (!traps_are_set())
        return 0;
    look();
    while (number < KWAST_NOTES && (pending & BIT(number)) == 0)
        number++;
    return number == KWAST_NOTES ? 0 : number;
}

bool trap_takes_interrupt(void) {
    if (actions[INTERRUPT] == NULL)
        return false;
    pending |= BIT(INTERRUPT);
    return true;
}

// -- Running --------------------------------------------------------------------------------------

// What it says is done; the status is then what it was, unless the shell is to end by it.
static void run(const char *action) {
    int outer = status_before;
    int status = shell.status;
    char *text = must_have(strdup(action)); // which may change the trap
    status_before = status;
    execute_text(text, shell.line);
    if (shell.flow == FLOW_NONE)
        shell.status = status;
    status_before = outer;
    free(text);
}

int trap_exit_status(void) {
    return status_before >= 0 ? status_before : shell.status;
}

void traps_run(void) {
    if (pending == 0 && trap_came() == 0)
        return;
    for (u32 number = 1; number < KWAST_NOTES && shell.flow == FLOW_NONE; number++) {
        bool came = (pending & BIT(number)) != 0;
        pending &= ~BIT(number);
        if (came && actions[number] != NULL)
            run(actions[number]);
    }
}

void trap_run_exit(void) {
    char *action = actions[EXIT];
    if (action == NULL)
        return;
    actions[EXIT] = NULL; // it is done once
    shell.flow = FLOW_NONE;
    run(action);
    free(action);
}

void traps_forget(void) {
    for (u32 number = 0; number < KWAST_NOTES; number++) {
        if (number == EXIT || (actions[number] != NULL && actions[number][0] != 0)) {
            free(actions[number]);
            actions[number] = NULL;
        }
    }
    look();
}

// -- The command ----------------------------------------------------------------------------------

static void print_all(void) {
    for (u32 i = 0; i < COUNT_OF(conditions); i++) {
        struct text text = {0};
        const char *action = actions[conditions[i].number];
        if (action == NULL)
            continue;
        text_add_quoted(&text, action);
        printf("trap -- %s %s\n", text_of(&text), conditions[i].name);
        text_free(&text);
    }
}

// "-": as it was at first.
static bool set(const char *name, const char *action) {
    u32 number;
    if (!signal_find(name, &number)) {
        say("trap: %s: there is no such signal ('kill -l' lists them, and EXIT is one here)", name);
        return false;
    }
    free(actions[number]);
    actions[number] = strcmp(action, "-") == 0 ? NULL : must_have(strdup(action));
    return true;
}

int run_trap(u32 count, char **arguments) {
    u32 first = count > 1 && strcmp(arguments[1], "--") == 0 ? 2 : 1;
    int status = 0;
    if (first >= count || strcmp(arguments[first], "-p") == 0) {
        print_all();
        return 0;
    }
    // A number in the place of the commands, or one name alone: all are as they were at first.
    u32 number;
    bool is_number = arguments[first][strspn(arguments[first], "0123456789")] == 0;
    bool is_alone = first + 1 == count && signal_find(arguments[first], &number);
    bool has_action = !((is_number && arguments[first][0] != 0) || is_alone);
    const char *action = has_action ? arguments[first] : "-";
    for (u32 i = first + has_action; i < count; i++)
        status |= !set(arguments[i], action);
    look();
    return status;
}
