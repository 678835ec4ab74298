// The libFuzzer target for the shell's grammar: any text. What is written of a command for another
// shell to read is that command.

#include <stdlib.h>

#include "tests/fuzz/user/fake_kernel.h"
#include "user/programs/sh/syntax.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize len);

#define TEXT_MAX     2048u
#define COMMANDS_MAX 256u

static const char *alias(const char *name) {
    return strcmp(name, "a") == 0 ? "b c" : strcmp(name, "l") == 0 ? "l -l " : NULL;
}

// -- Whether two trees are the same ---------------------------------------------------------------

// Commands one after the other, however they are nested, as pipelines of one or bare.
struct commands {
    const struct node *at[COMMANDS_MAX];
    u32 count;
};

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_words(const struct word *a, const struct word *b) {
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (!same_text(a->text, b->text))
            return false;
    }
    return a == b;
}

// What ends a text may be another word.
static bool same_redirections(const struct redirection *a, const struct redirection *b) {
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        bool is_text = a->type == REDIRECT_TEXT;
        if (a->type != b->type || a->fd != b->fd || (!is_text && !same_text(a->target, b->target)))
            return false;
        if (is_text && (a->is_literal != b->is_literal || !same_text(a->body, b->body)))
            return false;
    }
    return a == b;
}

static void collect(const struct node *node, struct commands *out) {
    if (node == NULL)
        return;
    if (node->type == NODE_SEQUENCE) {
        collect(node->a, out);
        collect(node->b, out);
    } else if (node->type == NODE_PIPELINE && !node->is_negated && node->a->next == NULL) {
        collect(node->a, out);
    } else if (out->count < COMMANDS_MAX) {
        out->at[out->count++] = node;
    }
}

static bool same(const struct node *a, const struct node *b);

static bool same_one(const struct node *a, const struct node *b) {
    return a->type == b->type && a->has_in == b->has_in && a->is_negated == b->is_negated &&
           same_text(a->name, b->name) && same_words(a->assignments, b->assignments) &&
           same_words(a->words, b->words) && same_redirections(a->redirections, b->redirections) &&
           same(a->a, b->a) && same(a->b, b->b) && same(a->c, b->c) && same(a->next, b->next);
}

static bool same_commands(const struct commands *a, const struct commands *b) {
    bool is_same = a->count == b->count;
    for (u32 i = 0; is_same && i < a->count; i++)
        is_same = same_one(a->at[i], b->at[i]);
    return is_same;
}

static bool same(const struct node *a, const struct node *b) {
    struct commands one = {.count = 0};
    struct commands other = {.count = 0};
    collect(a, &one);
    collect(b, &other);
    return same_commands(&one, &other);
}

static void check_text(const struct node *node) {
    struct arena arena = {0};
    struct parser parser;
    struct node *again;
    struct commands before = {.count = 0};
    struct commands after = {.count = 0};
    enum syntax_result result;
    char *text = node_text(node);
    parser_init(&parser, &arena, text);
    while ((result = parse_command(&parser, &again)) == SYNTAX_OK)
        collect(again, &after);
    collect(node, &before);
    MUST(result == SYNTAX_END);
    MUST(same_commands(&before, &after));
    free(text);
    arena_free(&arena);
}

// Whether all in text[start..end) is commands.
static bool are_commands(const char *text, usize start, usize end) {
    struct arena arena = {0};
    struct parser parser;
    struct node *node;
    enum syntax_result result;
    char *commands = calloc(1, end - start + 1);
    MUST(commands != NULL);
    memcpy(commands, text + start, end - start);
    parser_init(&parser, &arena, commands);
    while ((result = parse_command(&parser, &node)) == SYNTAX_OK)
        continue;
    arena_free(&arena);
    free(commands);
    return result == SYNTAX_END;
}

// Whether what is in each "$(...)" are commands. Of others what comes after them decides where they
// end, and that is something else in what is printed.
static bool has_whole_substitutions(const char *text) {
    for (const char *at = strstr(text, "$("); at != NULL; at = strstr(at + 1, "$(")) {
        usize start = (usize)(at - text);
        bool is_cut = false;
        usize end = skip_unit(text, start, &is_cut);
        bool is_arithmetic = !is_cut && at[2] == '(' && text[end - 2] == ')';
        if (is_cut || (!is_arithmetic && !are_commands(text, start + 2, end - 1)))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const u8 *data, usize len) {
    static char text[TEXT_MAX + 1];
    struct arena arena = {0};
    struct parser parser;
    struct node *node;
    len = len < TEXT_MAX ? len : TEXT_MAX;
    memcpy(text, data, len);
    text[len] = 0;
    parser_init(&parser, &arena, text);
    parser.alias = len % 2 == 0 ? NULL : alias;
    bool is_whole = has_whole_substitutions(text);
    for (u32 i = 0; i < COMMANDS_MAX; i++) {
        enum syntax_result result = parse_command(&parser, &node);
        MUST(parser.at <= strlen(parser.text));
        if (result != SYNTAX_OK)
            break;
        // A backslash at the very end stands for itself, which it does not before a newline.
        if (node != NULL && is_whole && parser.alias == NULL && text[len - 1] != '\\')
            check_text(node);
    }
    arena_free(&arena);
    MUST(fake_heap_clear() == 0);
    return 0;
}
