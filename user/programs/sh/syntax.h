#pragma once
// From text to commands: the shell's grammar, which is that of POSIX's shell command language
// (XCU 2.10). Words stay as they were written, quotes and all: expand.h makes something of them
// when the command is executed.

#include "user/programs/sh/text.h"

struct word {
    struct word *next;
    const char *text;
};

enum redirection_type {
    REDIRECT_READ,
    REDIRECT_WRITE,
    REDIRECT_FORCE, // >|
    REDIRECT_APPEND,
    REDIRECT_BOTH, // <>
    REDIRECT_COPY,
    REDIRECT_TEXT
};

struct redirection {
    struct redirection *next;
    enum redirection_type type;
    u32 fd;
    const char *target; // a word; of REDIRECT_TEXT the word that ends it, until the text is read
    const char *body;   // of REDIRECT_TEXT
    bool is_literal;    // likewise: the body is not expanded
    bool strips_tabs;
};

enum node_type {
    NODE_COMMAND,    // assignments, words
    NODE_PIPELINE,   // a, and the rest by a->next
    NODE_AND,        // a && b
    NODE_OR,         // a || b
    NODE_SEQUENCE,   // a; b
    NODE_BACKGROUND, // a &
    NODE_SUBSHELL,   // ( a )
    NODE_GROUP,      // { a; }
    NODE_IF,         // if a then b else c
    NODE_WHILE,      // while a do b
    NODE_UNTIL,
    NODE_FOR,      // for `name` in words do a
    NODE_CASE,     // case `name` in: a is the first NODE_ITEM
    NODE_ITEM,     // words) a ;; and the next item by next
    NODE_FUNCTION, // name() a
};

struct node {
    enum node_type type;
    u32 line;
    usize start;        // where it begins in the text
    const char *source; // the text of it, once it is parsed
    usize source_len;
    struct node *a;
    struct node *b;
    struct node *c;
    struct node *next;
    const char *name;
    struct word *assignments;
    struct word *words;
    bool has_in; // of NODE_FOR
    bool is_negated;
    struct redirection *redirections;
};

enum syntax_result {
    SYNTAX_OK,
    SYNTAX_END,        // there is no command any more
    SYNTAX_INCOMPLETE, // the text ends in the middle of one
    SYNTAX_ERROR,
};

struct parser {
    struct arena *arena;
    const char *text; // NUL-terminated
    usize at;
    u32 line;
    char error[160]; // of SYNTAX_ERROR
    struct lexer *lexer;
    const char *(*alias)(const char *name); // what a command's name stands for; NULL: itself
};

void parser_init(struct parser *parser, struct arena *arena, const char *text);

// The next complete command, up to the end of its line. The text stays as long as its nodes.
enum syntax_result parse_command(struct parser *parser, struct node **out);

// Past a "$(...)", "${...}", "`...`" or quoted string that begins at text[at]; text[at] itself when
// it begins with none of these. `end` is set when the text ended before it did.
usize skip_unit(const char *text, usize at, bool *end);

bool is_name(const char *text, usize len);
bool is_reserved(const char *word); // where a command begins

// The command as text, as it was written, or with its texts (<<) where it has some: the caller's
// (print.c).
char *node_text(const struct node *node);
