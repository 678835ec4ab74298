// Variables, in a list: a shell has few. What `local` hides is kept on a stack.

#include "user/programs/sh/shell.h"

#include <stdlib.h>
#include <string.h>

struct variable {
    struct variable *next;
    char *name;
    char *value; // NULL: it has attributes only
    bool is_exported;
    bool is_protected;
};

struct hidden {
    char *name;
    char *value; // NULL: it was unset
};

static struct variable *variables;
static struct hidden *hidden;
static u32 hidden_count;

static char *copy(const char *text) {
    return must_have(strdup(text));
}

static struct variable *find(const char *name) {
    struct variable *variable = variables;
    while (variable != NULL && strcmp(variable->name, name) != 0)
        variable = variable->next;
    return variable;
}

static struct variable *find_or_make(const char *name) {
    struct variable *variable = find(name);
    if (variable != NULL)
        return variable;
    variable = must_have(calloc(1, sizeof *variable));
    variable->name = copy(name);
    variable->next = variables;
    variables = variable;
    return variable;
}

const char *variable_get(const char *name) {
    const struct variable *variable = find(name);
    return variable == NULL ? NULL : variable->value;
}

bool variable_set(const char *name, const char *value) {
    struct variable *variable = find_or_make(name);
    if (variable->is_protected) {
        say("%s: is read-only", name);
        return false;
    }
    char *before = variable->value; // perhaps part of what `value` was made from
    variable->value = copy(value);
    free(before);
    return true;
}

void variable_unset(const char *name) {
    for (struct variable **at = &variables; *at != NULL; at = &(*at)->next) {
        struct variable *variable = *at;
        if (strcmp(variable->name, name) != 0)
            continue;
        if (variable->is_protected) {
            say("%s: is read-only", name);
            return;
        }
        *at = variable->next;
        free(variable->name);
        free(variable->value);
        free(variable);
        return;
    }
}

void variable_export(const char *name) {
    find_or_make(name)->is_exported = true;
}

void variable_protect(const char *name) {
    find_or_make(name)->is_protected = true;
}

bool variable_is_protected(const char *name) {
    const struct variable *variable = find(name);
    return variable != NULL && variable->is_protected;
}

void variables_each(void (*visit)(const char *name, const char *value, bool is_exported,
                                  void *context),
                    void *context) {
    for (const struct variable *variable = variables; variable != NULL; variable = variable->next) {
        if (variable->value != NULL)
            visit(variable->name, variable->value, variable->is_exported, context);
    }
}

u32 variables_mark(void) {
    return hidden_count;
}

void variable_local(const char *name) {
    const char *value = variable_get(name);
    hidden = must_have(realloc(hidden, (hidden_count + 1) * sizeof *hidden));
    hidden[hidden_count++] = (struct hidden){copy(name), value == NULL ? NULL : copy(value)};
}

void variables_restore(u32 mark) {
    while (hidden_count > mark) {
        struct hidden *last = &hidden[--hidden_count];
        if (last->value == NULL)
            variable_unset(last->name);
        else
            variable_set(last->name, last->value);
        free(last->name);
        free(last->value);
    }
}
