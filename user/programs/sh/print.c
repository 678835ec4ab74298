// Commands as text again. A subshell is told its commands as text; where they have texts (<<) of
// their own, what was written will not do, for these may be far behind the command.
//
// Every separator is the end of a line, so that texts can follow.

#include <stdio.h>
#include <string.h>

#include "user/programs/sh/syntax.h"

#define BODIES_MAX   64u
#define ENDING_BYTES 24u

struct printer {
    struct text out;
    struct {
        const struct redirection *redirection;
        char ending[ENDING_BYTES];
    } bodies[BODIES_MAX]; // that come behind this line
    u32 body_count;
    u32 ending; // a number for what ends a text
};

static void print(struct printer *printer, const struct node *node);

static void put(struct printer *printer, const char *text) {
    text_add_string(&printer->out, text);
}

static void end_line(struct printer *printer) {
    put(printer, "\n");
    for (u32 i = 0; i < printer->body_count; i++) {
        put(printer, printer->bodies[i].redirection->body);
        put(printer, printer->bodies[i].ending);
        put(printer, "\n");
    }
    printer->body_count = 0;
}

static void put_line(struct printer *printer, const char *text) {
    put(printer, text);
    end_line(printer);
}

// The operator's word, and the text for later.
static void print_text(struct printer *printer, const struct redirection *redirection) {
    if (printer->body_count == BODIES_MAX)
        return; // the parser takes fewer on a line
    char *ending = printer->bodies[printer->body_count].ending;
    do // something that is no line of it
        snprintf(ending, ENDING_BYTES, "END_%u", printer->ending++);
    while (strstr(redirection->body, ending) != NULL);
    printer->bodies[printer->body_count++].redirection = redirection;
    put(printer, redirection->is_literal ? "\\" : "");
    put(printer, ending);
}

static void print_redirections(struct printer *printer, const struct node *node) {
    static const char *const operators[] = {
        [REDIRECT_READ] = "<",    [REDIRECT_WRITE] = ">", [REDIRECT_FORCE] = ">|",
        [REDIRECT_APPEND] = ">>", [REDIRECT_BOTH] = "<>", [REDIRECT_COPY] = ">&",
        [REDIRECT_TEXT] = "<<",
    };
    for (const struct redirection *at = node->redirections; at != NULL; at = at->next) {
        char text[16];
        snprintf(text, sizeof text, " %u%s", at->fd, operators[at->type]);
        put(printer, text);
        if (at->type == REDIRECT_TEXT)
            print_text(printer, at);
        else
            put(printer, at->target);
    }
}

static void print_words(struct printer *printer, const struct word *words, const char *between) {
    for (; words != NULL; words = words->next) {
        put(printer, words->text);
        put(printer, words->next != NULL ? between : "");
    }
}

// Redirections come first: behind them no name is taken for a word of the grammar, as it was not.
static void print_simple(struct printer *printer, const struct node *node) {
    print_redirections(printer, node);
    put(printer, node->redirections != NULL ? " " : "");
    print_words(printer, node->assignments, " ");
    put(printer, node->assignments != NULL ? " " : "");
    print_words(printer, node->words, " ");
}

static void print_parts(struct printer *printer, const struct node *node) {
    put(printer, node->is_negated ? "! " : "");
    for (const struct node *part = node->a; part != NULL; part = part->next) {
        print(printer, part);
        if (part->next != NULL)
            put_line(printer, " |");
    }
}

// Of `if` behind that word.
static void print_if(struct printer *printer, const struct node *node) {
    end_line(printer);
    print(printer, node->a);
    end_line(printer);
    put_line(printer, "then");
    print(printer, node->b);
    end_line(printer);
    if (node->c != NULL) {
        put_line(printer, "else");
        print(printer, node->c);
        end_line(printer);
    }
    put(printer, "fi");
}

static void print_loop(struct printer *printer, const struct node *body) {
    end_line(printer);
    put_line(printer, "do");
    print(printer, body);
    end_line(printer);
    put(printer, "done");
}

static void print_for(struct printer *printer, const struct node *node) {
    put(printer, "for ");
    put(printer, node->name);
    put(printer, node->has_in ? " in " : "");
    print_words(printer, node->words, " ");
    print_loop(printer, node->a);
}

static void print_case(struct printer *printer, const struct node *node) {
    put(printer, "case ");
    put(printer, node->name);
    put_line(printer, " in");
    for (const struct node *item = node->a; item != NULL; item = item->next) {
        put(printer, "(");
        print_words(printer, item->words, "|");
        put_line(printer, ")");
        if (item->a != NULL) {
            print(printer, item->a);
            end_line(printer);
        }
        put_line(printer, ";;");
    }
    put(printer, "esac");
}

static void print_two(struct printer *printer, const struct node *node, const char *between) {
    print(printer, node->a);
    put_line(printer, between);
    print(printer, node->b);
}

static void print_within(struct printer *printer, const struct node *node, const char *open,
                         const char *close) {
    put_line(printer, open);
    print(printer, node->a);
    end_line(printer);
    put(printer, close);
}

static void print(struct printer *printer, const struct node *node) {
    switch (node->type) {
    case NODE_COMMAND:
        print_simple(printer, node);
        return;
    case NODE_PIPELINE:
        print_parts(printer, node);
        break;
    case NODE_AND:
        print_two(printer, node, " &&");
        break;
    case NODE_OR:
        print_two(printer, node, " ||");
        break;
    case NODE_SEQUENCE:
        print_two(printer, node, "");
        break;
    case NODE_BACKGROUND:
        print(printer, node->a);
        put(printer, " &");
        break;
    case NODE_SUBSHELL:
        print_within(printer, node, "(", ")");
        break;
    case NODE_GROUP:
        print_within(printer, node, "{", "}");
        break;
    case NODE_IF:
        put(printer, "if");
        print_if(printer, node);
        break;
    case NODE_WHILE:
    case NODE_UNTIL:
        put_line(printer, node->type == NODE_WHILE ? "while" : "until");
        print(printer, node->a);
        print_loop(printer, node->b);
        break;
    case NODE_FOR:
        print_for(printer, node);
        break;
    case NODE_CASE:
        print_case(printer, node);
        break;
    case NODE_FUNCTION:
        put(printer, node->name);
        put_line(printer, "()");
        print(printer, node->a);
        break;
    case NODE_ITEM: // of a case
        break;
    }
    print_redirections(printer, node);
}

// -- Whether it is needed -------------------------------------------------------------------------

static bool has_text(const struct node *node) {
    if (node == NULL)
        return false;
    for (const struct redirection *at = node->redirections; at != NULL; at = at->next) {
        if (at->type == REDIRECT_TEXT)
            return true;
    }
    return has_text(node->a) || has_text(node->b) || has_text(node->c) || has_text(node->next);
}

char *node_text(const struct node *node) {
    struct printer printer = {.ending = 0};
    struct node alone = *node;
    alone.next = NULL; // what follows is not part of it
    if (has_text(&alone)) {
        print(&printer, &alone);
        end_line(&printer);
    } else {
        text_add(&printer.out, node->source, node->source_len);
    }
    return text_of(&printer.out);
}
