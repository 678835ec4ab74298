// Functions. One that is removed or defined anew while it runs stays until it has ended.

#include <stdlib.h>
#include <string.h>

#include "user/programs/sh/shell.h"

#define DEPTH_MAX 64u // of functions in functions

static struct function *functions;
static u32 depth;

struct function *function_find(const char *name) {
    struct function *function = functions;
    while (function != NULL && strcmp(function->name, name) != 0)
        function = function->next;
    return function;
}

void functions_each(void (*visit)(const struct function *function, void *context), void *context) {
    for (const struct function *function = functions; function != NULL; function = function->next)
        visit(function, context);
}

static void function_free(struct function *function) {
    arena_free(&function->arena);
    free(function->name);
    free(function->source);
    free(function);
}

void function_remove(const char *name) {
    for (struct function **at = &functions; *at != NULL; at = &(*at)->next) {
        struct function *function = *at;
        if (strcmp(function->name, name) != 0)
            continue;
        *at = function->next;
        function->is_gone = true;
        if (function->uses == 0) // otherwise who runs it frees it
            function_free(function);
        return;
    }
}

// Its text is kept, and parsed once more: so it outlives the command that defines it.
int function_define(const struct node *node) {
    struct function *function = must_have(calloc(1, sizeof *function));
    struct parser parser;
    struct node *parsed;
    function->name = must_have(strdup(node->name));
    function->source = node_text(node);
    parser_init(&parser, &function->arena, function->source);
    parser.line = node->line;
    if (parse_command(&parser, &parsed) != SYNTAX_OK) {
        function_free(function);
        return STATUS_MISUSE;
    }
    // A line is a pipeline of one.
    while (parsed->type != NODE_FUNCTION)
        parsed = parsed->a;
    function->body = parsed->a;
    function_remove(function->name);
    function->next = functions;
    functions = function;
    return 0;
}

int function_call(struct function *function, const struct fields *fields) {
    char **arguments = shell.arguments;
    u32 argument_count = shell.argument_count;
    u32 mark = variables_mark();
    if (depth == DEPTH_MAX) {
        say("%s: functions are nested more than %u deep", function->name, DEPTH_MAX);
        return STATUS_MISUSE;
    }
    depth++;
    function->uses++;
    shell.arguments = fields->at + 1;
    shell.argument_count = fields->count - 1;
    int status = execute(function->body);
    if (shell.flow == FLOW_RETURN) {
        shell.flow = FLOW_NONE;
        status = shell.status;
    }
    shell.arguments = arguments;
    shell.argument_count = argument_count;
    variables_restore(mark);
    if (--function->uses == 0 && function->is_gone)
        function_free(function);
    depth--;
    return status;
}
