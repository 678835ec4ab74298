// Traps. There are no signals here: Ctrl-C and `kill` end a process at once. So what happens is
// EXIT, the end of the shell itself; the others can be set and looked at, and never come.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

static const struct {
    const char *name;
    const char *number;
} conditions[] = {
    {"EXIT", "0"},  {"HUP", "1"},   {"INT", "2"},   {"QUIT", "3"},  {"PIPE", "13"},
    {"ALRM", "14"}, {"TERM", "15"}, {"USR1", "10"}, {"USR2", "12"},
};

static char *actions[COUNT_OF(conditions)];

static u32 find(const char *name) {
    u32 i = 0;
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    while (i < COUNT_OF(conditions) && strcmp(conditions[i].name, name) != 0 &&
           strcmp(conditions[i].number, name) != 0)
        i++;
    return i;
}

static void print_all(void) {
    for (u32 i = 0; i < COUNT_OF(conditions); i++) {
        struct text text = {0};
        if (actions[i] == NULL)
            continue;
        text_add_quoted(&text, actions[i]);
        printf("trap -- %s %s\n", text_of(&text), conditions[i].name);
        text_free(&text);
    }
}

int run_trap(u32 count, char **arguments) {
    u32 first = count > 1 && strcmp(arguments[1], "--") == 0 ? 2 : 1;
    int status = 0;
    if (first >= count) {
        print_all();
        return 0;
    }
    // A number in the place of the commands: all are as they were at first.
    bool has_action = find(arguments[first]) == COUNT_OF(conditions) || first + 1 < count;
    const char *action = has_action ? arguments[first] : "-";
    for (u32 i = first + has_action; i < count; i++) {
        u32 condition = find(arguments[i]);
        if (condition == COUNT_OF(conditions)) {
            say("trap: %s: there is no such signal", arguments[i]);
            status = 1;
            continue;
        }
        free(actions[condition]);
        actions[condition] = strcmp(action, "-") == 0 ? NULL : must_have(strdup(action));
    }
    return status;
}

void trap_run_exit(void) {
    char *action = actions[0];
    int status = shell.status;
    if (action == NULL)
        return;
    actions[0] = NULL; // it is done once
    shell.flow = FLOW_NONE;
    execute_text(action, shell.line);
    if (shell.flow != FLOW_EXIT) // by an `exit` of its own
        shell.status = status;
    free(action);
}
