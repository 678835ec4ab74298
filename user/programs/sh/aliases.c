// Aliases: names of commands that stand for other text. The parser puts it in their place.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

struct alias {
    struct alias *next;
    char *name;
    char *value;
};

static struct alias *aliases;

const char *alias_find(const char *name) {
    const struct alias *alias = aliases;
    while (alias != NULL && strcmp(alias->name, name) != 0)
        alias = alias->next;
    return alias == NULL ? NULL : alias->value;
}

static bool forget(const char *name) {
    for (struct alias **at = &aliases; *at != NULL; at = &(*at)->next) {
        struct alias *alias = *at;
        if (strcmp(alias->name, name) != 0)
            continue;
        *at = alias->next;
        free(alias->name);
        free(alias->value);
        free(alias);
        return true;
    }
    return false;
}

// `text` is NAME=VALUE.
static void define(const char *text, usize name_len) {
    struct alias *alias = must_have(calloc(1, sizeof *alias));
    alias->name = must_have(strndup(text, name_len));
    alias->value = must_have(strdup(text + name_len + 1));
    forget(alias->name);
    alias->next = aliases;
    aliases = alias;
}

static void print(const char *name, const char *value) {
    struct text text = {0};
    text_add_quoted(&text, value);
    printf("%s=%s\n", name, text_of(&text));
    text_free(&text);
}

int run_alias(u32 count, char **arguments) {
    int status = 0;
    for (const struct alias *alias = count == 1 ? aliases : NULL; alias != NULL;
         alias = alias->next)
        print(alias->name, alias->value);
    for (u32 i = 1; i < count; i++) {
        const char *value = alias_find(arguments[i]);
        usize len = strcspn(arguments[i], "=");
        if (arguments[i][len] == '=' && len != 0) {
            define(arguments[i], len);
        } else if (value != NULL) {
            print(arguments[i], value);
        } else {
            say("alias: %s: there is none", arguments[i]);
            status = 1;
        }
    }
    return status;
}

int run_unalias(u32 count, char **arguments) {
    int status = 0;
    for (u32 i = 1; i < count; i++) {
        while (strcmp(arguments[i], "-a") == 0 && aliases != NULL)
            forget(aliases->name);
        if (strcmp(arguments[i], "-a") != 0 && !forget(arguments[i])) {
            say("unalias: %s: there is none", arguments[i]);
            status = 1;
        }
    }
    return status;
}
