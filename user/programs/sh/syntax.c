// The lexer and the parser. The parser is a recursive descent with one token of look-ahead; whether
// a word is a reserved one depends on where it stands, so the parser asks for that.
//
// An error, or the end of the text in the middle of a command, is kept in the lexer; from then on
// every token is the end, so that the recursion unwinds by itself.

#include "user/programs/sh/syntax.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ALIASES_MAX 16u // in one another

enum token_type {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_WORD,
    TOKEN_REDIRECTION,
    TOKEN_AND,        // &&
    TOKEN_OR,         // ||
    TOKEN_PIPE,       // |
    TOKEN_BACKGROUND, // &
    TOKEN_SEMICOLON,  // ;
    TOKEN_ITEM_END,   // ;;
    TOKEN_OPEN,       // (
    TOKEN_CLOSE,      // )
};

struct lexer {
    enum token_type type;
    usize start; // of the token, in the text
    usize end;
    char *word;
    struct redirection redirection;
    struct redirection *pending[16]; // texts (<<) that begin behind this line
    u32 pending_count;
    enum syntax_result result;

    // Aliases that have been put in the place of their names: their text goes on as long as more
    // than `rest` bytes are left.
    struct {
        const char *name;
        usize rest;
    } aliases[ALIASES_MAX];
    u32 alias_count;
};

bool is_name(const char *text, usize len) {
    if (len == 0 || isdigit((unsigned char)text[0]))
        return false;
    for (usize i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return false;
    }
    return true;
}

bool is_reserved(const char *word) {
    static const char *const words[] = {"!",    "{",    "}",     "case", "do",  "done",
                                        "elif", "else", "esac",  "fi",   "for", "if",
                                        "in",   "then", "until", "while"};
    u32 i = 0;
    while (i < COUNT_OF(words) && strcmp(words[i], word) != 0)
        i++;
    return i < COUNT_OF(words);
}

// -- Errors ---------------------------------------------------------------------------------------

static void fail(struct parser *parser, enum syntax_result result, const char *format, ...) {
    struct lexer *lexer = parser->lexer;
    if (lexer->result == SYNTAX_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(parser->error, sizeof parser->error, format, args);
        va_end(args);
        lexer->result = result;
    }
    lexer->type = TOKEN_END;
}

static void fail_unexpected(struct parser *parser) {
    const struct lexer *lexer = parser->lexer;
    int len = (int)(lexer->end - lexer->start);
    if (lexer->type == TOKEN_END)
        fail(parser, SYNTAX_INCOMPLETE, "unexpected end of the text");
    else if (lexer->type == TOKEN_NEWLINE)
        fail(parser, SYNTAX_ERROR, "unexpected end of the line");
    else
        fail(parser, SYNTAX_ERROR, "unexpected '%.*s'", len > 60 ? 60 : len,
             parser->text + lexer->start);
}

// -- Quotes and substitutions ---------------------------------------------------------------------

// Commands in "$(...)" are parsed to find their end, for brackets in patterns of `case`, comments
// and texts (<<) are not what they look like. Where that finds an error, and in all that is no
// command, brackets are counted (`counts`): whoever executes it will say what is wrong. So they are
// in what lies deeper than anybody writes, for parsing takes more stack than there would be.
#define PARSED_MAX 16u
static u32 parsed; // substitutions, one in another, that are being parsed

static usize skip(const char *text, usize at, bool counts, bool *end);

static usize skip_single(const char *text, usize at, bool *end) {
    const char *close = strchr(text + at, '\'');
    *end |= close == NULL;
    return close == NULL ? at + strlen(text + at) : (usize)(close - text) + 1;
}

// `at` is behind the opening quote.
static usize skip_double(const char *text, usize at, bool counts, bool *end) {
    while (text[at] != 0 && text[at] != '"') {
        if (text[at] == '\\' && text[at + 1] != 0)
            at += 2;
        else if (text[at] == '\'')
            at++;
        else
            at = skip(text, at, counts, end);
    }
    *end |= text[at] == 0;
    return text[at] == 0 ? at : at + 1;
}

static usize skip_backquoted(const char *text, usize at, bool *end) {
    while (text[at] != 0 && text[at] != '`')
        at += text[at] == '\\' && text[at + 1] != 0 ? 2 : 1;
    *end |= text[at] == 0;
    return text[at] == 0 ? at : at + 1;
}

// Past the closing bracket that belongs to one before `at`.
static usize skip_until(const char *text, usize at, char close, bool counts, bool *end) {
    char open = close == ')' ? '(' : '{';
    for (u32 depth = 1; text[at] != 0;) {
        if (text[at] == '\\' && text[at + 1] != 0) {
            at += 2;
            continue;
        }
        if (text[at] == open)
            depth++;
        else if (text[at] == close && --depth == 0)
            return at + 1;
        at = text[at] == open || text[at] == close ? at + 1 : skip(text, at, counts, end);
    }
    *end = true;
    return at;
}

static usize skip_commands(const char *text, usize at, bool *end);

// `at` is at "$(".
static usize skip_substitution(const char *text, usize at, bool counts, bool *end) {
    bool is_cut = false;
    usize past = skip_until(text, at + 2, ')', true, &is_cut);
    bool is_arithmetic = text[at + 2] == '(' && !is_cut && text[past - 2] == ')';
    if (!counts && !is_arithmetic && parsed < PARSED_MAX)
        return skip_commands(text, at + 2, end);
    *end |= is_cut;
    return past;
}

static usize skip(const char *text, usize at, bool counts, bool *end) {
    switch (text[at]) {
    case '\'':
        return skip_single(text, at + 1, end);
    case '"':
        return skip_double(text, at + 1, counts, end);
    case '`':
        return skip_backquoted(text, at + 1, end);
    case '$':
        if (text[at + 1] == '(')
            return skip_substitution(text, at, counts, end);
        if (text[at + 1] == '{')
            return skip_until(text, at + 2, '}', counts, end);
        return at + 1;
    default:
        return at + 1;
    }
}

usize skip_unit(const char *text, usize at, bool *end) {
    return skip(text, at, false, end);
}

// -- Tokens ---------------------------------------------------------------------------------------

static bool ends_word(char c) {
    return c == 0 || strchr(" \t\n;&|<>()", c) != NULL;
}

// Blanks, continued lines and comments.
static void skip_blank(struct parser *parser) {
    const char *text = parser->text;
    for (;;) {
        if (text[parser->at] == '\\' && text[parser->at + 1] == '\n') {
            parser->at += 2;
            parser->line++;
        } else if (text[parser->at] == ' ' || text[parser->at] == '\t' ||
                   text[parser->at] == '\r') {
            parser->at++;
        } else {
            break;
        }
    }
    if (text[parser->at] == '#') {
        while (text[parser->at] != 0 && text[parser->at] != '\n')
            parser->at++;
    }
}

static void count_lines(struct parser *parser, usize from, usize to) {
    for (usize i = from; i < to; i++)
        parser->line += parser->text[i] == '\n';
}

static void lex_word(struct parser *parser) {
    struct lexer *lexer = parser->lexer;
    bool end = false;
    usize start = parser->at;
    while (!ends_word(parser->text[parser->at])) {
        bool escapes = parser->text[parser->at] == '\\' && parser->text[parser->at + 1] != 0;
        parser->at = escapes ? parser->at + 2 : skip_unit(parser->text, parser->at, &end);
    }
    count_lines(parser, start, parser->at);
    lexer->type = TOKEN_WORD;
    lexer->word = arena_copy(parser->arena, parser->text + start, parser->at - start);
    if (end)
        fail(parser, SYNTAX_INCOMPLETE, "a quote or bracket is not closed");
}

static bool take(struct parser *parser, const char *what) {
    usize len = strlen(what);
    if (strncmp(parser->text + parser->at, what, len) != 0)
        return false;
    parser->at += len;
    return true;
}

// An operator of redirection, with the number before it.
static bool lex_redirection(struct parser *parser) {
    static const struct {
        const char *text;
        enum redirection_type type;
        u32 fd;
        bool strips_tabs;
    } operators[] = {
        {"<<-", REDIRECT_TEXT, 0, true}, {"<<", REDIRECT_TEXT, 0, false},
        {"<&", REDIRECT_COPY, 0, false}, {"<>", REDIRECT_BOTH, 0, false},
        {"<", REDIRECT_READ, 0, false},  {">>", REDIRECT_APPEND, 1, false},
        {">&", REDIRECT_COPY, 1, false}, {">|", REDIRECT_FORCE, 1, false},
        {">", REDIRECT_WRITE, 1, false},
    };
    const char *text = parser->text;
    usize at = parser->at;
    while (isdigit((unsigned char)text[at]))
        at++;
    if (text[at] != '<' && text[at] != '>')
        return false;
    u32 fd = 0;
    for (usize i = parser->at; i < at && fd < 1000; i++)
        fd = 10 * fd + (u32)(text[i] - '0');
    bool has_fd = at != parser->at;
    parser->at = at;
    for (u32 i = 0; i < COUNT_OF(operators); i++) {
        if (!take(parser, operators[i].text))
            continue;
        parser->lexer->type = TOKEN_REDIRECTION;
        parser->lexer->redirection = (struct redirection){
            .type = operators[i].type,
            .fd = has_fd ? fd : operators[i].fd,
            .strips_tabs = operators[i].strips_tabs,
        };
        break;
    }
    return true;
}

// -- Texts within the text (<<) -------------------------------------------------------------------

// The word without its quotes; *quoted: there were some.
static void remove_quotes(const char *word, struct text *out, bool *quoted) {
    for (; *word != 0; word++) {
        if (*word == '\\' && word[1] != 0)
            text_add_char(out, *++word);
        else if (*word != '\'' && *word != '"')
            text_add_char(out, *word);
        *quoted |= *word == '\'' || *word == '"' || *word == '\\';
    }
}

static void read_body(struct parser *parser, struct redirection *redirection) {
    struct text ending = {0};
    struct text body = {0};
    bool is_quoted = strpbrk(redirection->target, "\\'\"") != NULL;
    bool ignored = false;
    remove_quotes(redirection->target, &ending, &ignored);
    for (bool found = false; !found;) {
        if (parser->text[parser->at] == 0) {
            fail(parser, SYNTAX_INCOMPLETE, "a text (<<) is not ended by '%s'", text_of(&ending));
            break;
        }
        while (redirection->strips_tabs && parser->text[parser->at] == '\t')
            parser->at++;
        const char *line = parser->text + parser->at;
        usize len = strcspn(line, "\n");
        found = len == ending.len && strncmp(line, text_of(&ending), len) == 0;
        if (!found) {
            text_add(&body, line, len);
            text_add_char(&body, '\n');
        }
        parser->at += len + (line[len] == '\n');
        parser->line++;
    }
    redirection->body = arena_copy(parser->arena, text_of(&body), body.len);
    redirection->is_literal = is_quoted;
    text_free(&body);
    text_free(&ending);
}

static void lex_newline(struct parser *parser) {
    struct lexer *lexer = parser->lexer;
    lexer->type = TOKEN_NEWLINE;
    parser->at++;
    parser->line++;
    for (u32 i = 0; i < lexer->pending_count; i++)
        read_body(parser, lexer->pending[i]);
    lexer->pending_count = 0;
}

static void next(struct parser *parser) {
    static const struct {
        const char *text;
        enum token_type type;
    } operators[] = {
        {"&&", TOKEN_AND}, {"||", TOKEN_OR},       {";;", TOKEN_ITEM_END}, {"&", TOKEN_BACKGROUND},
        {"|", TOKEN_PIPE}, {";", TOKEN_SEMICOLON}, {"(", TOKEN_OPEN},      {")", TOKEN_CLOSE},
    };
    struct lexer *lexer = parser->lexer;
    if (lexer->result != SYNTAX_OK)
        return;
    skip_blank(parser);
    lexer->start = parser->at;
    lexer->type = TOKEN_END;
    if (parser->text[parser->at] == '\n') {
        lex_newline(parser);
    } else if (parser->text[parser->at] != 0 && !lex_redirection(parser)) {
        for (u32 i = 0; i < COUNT_OF(operators) && lexer->type == TOKEN_END; i++) {
            if (take(parser, operators[i].text))
                lexer->type = operators[i].type;
        }
        if (lexer->type == TOKEN_END)
            lex_word(parser);
    }
    lexer->end = parser->at;
}

static bool is_at(const struct parser *parser, enum token_type type) {
    return parser->lexer->type == type;
}

static bool is_at_word(const struct parser *parser, const char *word) {
    return is_at(parser, TOKEN_WORD) && strcmp(parser->lexer->word, word) == 0;
}

static bool accept(struct parser *parser, enum token_type type) {
    if (!is_at(parser, type))
        return false;
    next(parser);
    return true;
}

static bool accept_word(struct parser *parser, const char *word) {
    if (!is_at_word(parser, word))
        return false;
    next(parser);
    return true;
}

static void expect_word(struct parser *parser, const char *word) {
    if (!accept_word(parser, word))
        fail_unexpected(parser);
}

static void expect(struct parser *parser, enum token_type type) {
    if (!accept(parser, type))
        fail_unexpected(parser);
}

static void skip_newlines(struct parser *parser) {
    while (accept(parser, TOKEN_NEWLINE))
        ;
}

// -- The grammar ----------------------------------------------------------------------------------

static struct node *parse_list(struct parser *parser);
static struct node *parse_pipe_part(struct parser *parser);

static struct node *new_node(struct parser *parser, enum node_type type) {
    struct node *node = arena_take(parser->arena, sizeof *node);
    node->type = type;
    node->line = parser->line;
    node->start = parser->lexer->start;
    return node;
}

// An alias may have changed the text since the node began, but not what is before the alias.
static struct node *end_node_at(struct parser *parser, struct node *node, usize end) {
    node->source = parser->text + node->start;
    node->source_len = end - node->start;
    return node;
}

// Whether the character is a blank that separates words, and none that is quoted.
static bool is_separator(const struct parser *parser, const struct node *node, usize at) {
    usize backslashes = 0;
    while (at - backslashes > node->start && parser->text[at - backslashes - 1] == '\\')
        backslashes++;
    return strchr(" \t", parser->text[at]) != NULL && backslashes % 2 == 0;
}

// The text of `node` ends where the token began that we stand at.
static struct node *end_node(struct parser *parser, struct node *node) {
    usize end = parser->lexer->start;
    while (end > node->start && is_separator(parser, node, end - 1))
        end--;
    return end_node_at(parser, node, end);
}

// Puts what the word that we stand at stands for in its place, as often as that is another word.
static void replace_aliases(struct parser *parser) {
    struct lexer *lexer = parser->lexer;
    while (is_at(parser, TOKEN_WORD) && parser->alias != NULL) {
        const char *value = parser->alias(lexer->word);
        const char *rest = parser->text + lexer->end;
        usize rest_len = strlen(rest);
        while (lexer->alias_count != 0 &&
               lexer->aliases[lexer->alias_count - 1].rest >= rest_len + 1)
            lexer->alias_count--; // its text is over
        bool is_again = lexer->alias_count == ALIASES_MAX;
        for (u32 i = 0; i < lexer->alias_count; i++)
            is_again |= strcmp(lexer->aliases[i].name, lexer->word) == 0;
        if (value == NULL || is_again)
            return;
        usize value_len = strlen(value);
        char *text = arena_take(parser->arena, lexer->start + value_len + rest_len + 1);
        memcpy(text, parser->text, lexer->start);
        memcpy(text + lexer->start, value, value_len);
        memcpy(text + lexer->start + value_len, rest, rest_len);
        lexer->aliases[lexer->alias_count].name = lexer->word;
        lexer->aliases[lexer->alias_count++].rest = rest_len;
        parser->text = text;
        parser->at = lexer->start;
        next(parser);
    }
}

static void add_word(struct parser *parser, struct word ***tail) {
    struct word *word = arena_take(parser->arena, sizeof *word);
    word->text = parser->lexer->word;
    **tail = word;
    *tail = &word->next;
    next(parser);
}

static bool parse_redirection(struct parser *parser, struct node *node) {
    if (!is_at(parser, TOKEN_REDIRECTION))
        return false;
    struct lexer *lexer = parser->lexer;
    struct redirection *redirection = arena_take(parser->arena, sizeof *redirection);
    struct redirection **tail = &node->redirections;
    *redirection = lexer->redirection;
    next(parser);
    if (!is_at(parser, TOKEN_WORD)) {
        fail_unexpected(parser);
        return true;
    }
    redirection->target = lexer->word;
    if (redirection->type == REDIRECT_TEXT && lexer->pending_count == COUNT_OF(lexer->pending))
        fail(parser, SYNTAX_ERROR, "too many texts (<<) on one line");
    else if (redirection->type == REDIRECT_TEXT)
        lexer->pending[lexer->pending_count++] = redirection;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = redirection;
    next(parser);
    return true;
}

static bool is_assignment(const char *word) {
    const char *equals = strchr(word, '=');
    return equals != NULL && is_name(word, (usize)(equals - word));
}

static struct node *parse_function(struct parser *parser, struct node *node) {
    node->type = NODE_FUNCTION;
    node->name = node->words->text;
    next(parser); // (
    expect(parser, TOKEN_CLOSE);
    skip_newlines(parser);
    node->a = parse_pipe_part(parser);
    return end_node(parser, node);
}

static struct node *parse_simple(struct parser *parser) {
    struct node *node = new_node(parser, NODE_COMMAND);
    struct word **assignments = &node->assignments;
    struct word **words = &node->words;
    for (;;) {
        if (parse_redirection(parser, node))
            continue;
        if (!is_at(parser, TOKEN_WORD))
            break;
        if (node->words == NULL)
            replace_aliases(parser);
        if (!is_at(parser, TOKEN_WORD))
            continue;
        if (node->words == NULL && is_assignment(parser->lexer->word))
            add_word(parser, &assignments);
        else
            add_word(parser, &words);
        bool is_first = node->words != NULL && node->words->next == NULL;
        if (is_first && is_at(parser, TOKEN_OPEN) && node->assignments == NULL)
            return parse_function(parser, node);
    }
    if (node->words == NULL && node->assignments == NULL && node->redirections == NULL)
        fail_unexpected(parser);
    return end_node(parser, node);
}

static struct node *parse_body(struct parser *parser, const char *open, const char *close) {
    expect_word(parser, open);
    struct node *body = parse_list(parser);
    expect_word(parser, close);
    return body;
}

// Behind `if` or `elif`.
static void parse_if(struct parser *parser, struct node *node) {
    node->a = parse_list(parser);
    expect_word(parser, "then");
    node->b = parse_list(parser);
    if (is_at_word(parser, "elif")) {
        node->c = new_node(parser, NODE_IF);
        next(parser);
        parse_if(parser, node->c);
        end_node(parser, node->c);
    } else {
        if (accept_word(parser, "else"))
            node->c = parse_list(parser);
        expect_word(parser, "fi");
    }
}

static void parse_for(struct parser *parser, struct node *node) {
    struct word **words = &node->words;
    if (!is_at(parser, TOKEN_WORD) || !is_name(parser->lexer->word, strlen(parser->lexer->word))) {
        fail_unexpected(parser);
        return;
    }
    node->name = parser->lexer->word;
    next(parser);
    skip_newlines(parser);
    node->has_in = accept_word(parser, "in");
    while (node->has_in && is_at(parser, TOKEN_WORD))
        add_word(parser, &words);
    accept(parser, TOKEN_SEMICOLON);
    skip_newlines(parser);
    node->a = parse_body(parser, "do", "done");
}

static struct node *parse_item(struct parser *parser) {
    struct node *item = new_node(parser, NODE_ITEM);
    struct word **patterns = &item->words;
    accept(parser, TOKEN_OPEN);
    do {
        if (!is_at(parser, TOKEN_WORD)) {
            fail_unexpected(parser);
            return item;
        }
        add_word(parser, &patterns);
    } while (accept(parser, TOKEN_PIPE));
    expect(parser, TOKEN_CLOSE);
    skip_newlines(parser);
    if (!is_at(parser, TOKEN_ITEM_END) && !is_at_word(parser, "esac"))
        item->a = parse_list(parser);
    if (!accept(parser, TOKEN_ITEM_END) && !is_at_word(parser, "esac"))
        fail_unexpected(parser);
    skip_newlines(parser);
    return item;
}

static void parse_case(struct parser *parser, struct node *node) {
    struct node **tail = &node->a;
    if (!is_at(parser, TOKEN_WORD)) {
        fail_unexpected(parser);
        return;
    }
    node->name = parser->lexer->word;
    next(parser);
    skip_newlines(parser);
    expect_word(parser, "in");
    skip_newlines(parser);
    while (parser->lexer->result == SYNTAX_OK && !is_at_word(parser, "esac")) {
        *tail = parse_item(parser);
        tail = &(*tail)->next;
    }
    expect_word(parser, "esac");
}

static void parse_loop(struct parser *parser, struct node *node) {
    node->a = parse_list(parser);
    node->b = parse_body(parser, "do", "done");
}

static bool parse_compound(struct parser *parser, struct node *node) {
    static const struct {
        const char *word;
        enum node_type type;
        void (*parse)(struct parser *parser, struct node *node);
    } kinds[] = {
        {"if", NODE_IF, parse_if},         {"while", NODE_WHILE, parse_loop},
        {"until", NODE_UNTIL, parse_loop}, {"for", NODE_FOR, parse_for},
        {"case", NODE_CASE, parse_case},
    };
    for (u32 i = 0; i < COUNT_OF(kinds); i++) {
        if (accept_word(parser, kinds[i].word)) {
            node->type = kinds[i].type;
            kinds[i].parse(parser, node);
            return true;
        }
    }
    if (is_at_word(parser, "{")) {
        node->type = NODE_GROUP;
        node->a = parse_body(parser, "{", "}");
        return true;
    }
    if (accept(parser, TOKEN_OPEN)) {
        node->type = NODE_SUBSHELL;
        node->a = parse_list(parser);
        expect(parser, TOKEN_CLOSE);
        return true;
    }
    return false;
}

static struct node *parse_pipe_part(struct parser *parser) {
    replace_aliases(parser);
    struct node *node = new_node(parser, NODE_COMMAND);
    if (!parse_compound(parser, node))
        return parse_simple(parser);
    while (parse_redirection(parser, node))
        ;
    return end_node(parser, node);
}

static struct node *parse_pipeline(struct parser *parser) {
    struct node *pipeline = new_node(parser, NODE_PIPELINE);
    pipeline->is_negated = accept_word(parser, "!");
    struct node **tail = &pipeline->a;
    do {
        if (pipeline->a != NULL)
            skip_newlines(parser);
        *tail = parse_pipe_part(parser);
        tail = &(*tail)->next;
    } while (accept(parser, TOKEN_PIPE));
    return end_node(parser, pipeline);
}

static struct node *parse_and_or(struct parser *parser) {
    struct node *left = parse_pipeline(parser);
    while (is_at(parser, TOKEN_AND) || is_at(parser, TOKEN_OR)) {
        struct node *node = new_node(parser, is_at(parser, TOKEN_AND) ? NODE_AND : NODE_OR);
        node->start = left->start;
        next(parser);
        skip_newlines(parser);
        node->a = left;
        node->b = parse_pipeline(parser);
        left = end_node(parser, node);
    }
    return left;
}

static struct node *in_background(struct parser *parser, struct node *command) {
    struct node *node = new_node(parser, NODE_BACKGROUND);
    node->start = command->start;
    node->a = command;
    return end_node_at(parser, node, parser->lexer->end); // with the "&"
}

static struct node *in_sequence(struct parser *parser, struct node *first, struct node *second) {
    if (first == NULL)
        return second;
    struct node *node = new_node(parser, NODE_SEQUENCE);
    node->start = first->start;
    node->a = first;
    node->b = second;
    return end_node(parser, node);
}

// Whether a word stands here that only what is around this list can use.
static bool is_at_end_of_list(const struct parser *parser) {
    static const char *const words[] = {"then", "else", "elif", "fi", "do", "done", "esac", "}"};
    if (is_at(parser, TOKEN_END) || is_at(parser, TOKEN_CLOSE) || is_at(parser, TOKEN_ITEM_END))
        return true;
    for (u32 i = 0; i < COUNT_OF(words); i++) {
        if (is_at_word(parser, words[i]))
            return true;
    }
    return false;
}

// Commands over any number of lines, at least one.
static struct node *parse_list(struct parser *parser) {
    struct node *list = NULL;
    skip_newlines(parser);
    do {
        struct node *command = parse_and_or(parser);
        if (is_at(parser, TOKEN_BACKGROUND))
            command = in_background(parser, command);
        bool is_ended = accept(parser, TOKEN_BACKGROUND) || accept(parser, TOKEN_SEMICOLON) ||
                        is_at(parser, TOKEN_NEWLINE);
        list = in_sequence(parser, list, command);
        if (!is_ended)
            break;
        skip_newlines(parser);
    } while (!is_at_end_of_list(parser));
    return list;
}

// Past the bracket that ends the commands which begin at text[at].
static usize skip_commands(const char *text, usize at, bool *end) {
    struct lexer lexer = {.result = SYNTAX_OK};
    struct arena arena = {0};
    struct parser parser;
    parsed++;
    parser_init(&parser, &arena, text + at);
    parser.lexer = &lexer;
    next(&parser);
    skip_newlines(&parser);
    if (!is_at(&parser, TOKEN_CLOSE))
        parse_list(&parser);
    parsed--;
    bool is_cut = lexer.result == SYNTAX_INCOMPLETE ||
                  (lexer.result == SYNTAX_OK && is_at(&parser, TOKEN_END));
    bool is_found = lexer.result == SYNTAX_OK && is_at(&parser, TOKEN_CLOSE);
    arena_free(&arena);
    *end |= is_cut;
    return is_found ? at + lexer.end
           : is_cut ? at + strlen(text + at)
                    : skip_until(text, at, ')', true, end);
}

void parser_init(struct parser *parser, struct arena *arena, const char *text) {
    *parser = (struct parser){.arena = arena, .text = text, .line = 1};
}

// Commands up to the end of the line.
static struct node *parse_line(struct parser *parser) {
    struct node *list = NULL;
    while (!is_at(parser, TOKEN_END) && !is_at(parser, TOKEN_NEWLINE)) {
        struct node *command = parse_and_or(parser);
        if (is_at(parser, TOKEN_BACKGROUND))
            command = in_background(parser, command);
        bool is_ended = accept(parser, TOKEN_BACKGROUND) || accept(parser, TOKEN_SEMICOLON);
        list = in_sequence(parser, list, command);
        if (!is_ended && !is_at(parser, TOKEN_NEWLINE) && !is_at(parser, TOKEN_END))
            fail_unexpected(parser);
    }
    return list;
}

enum syntax_result parse_command(struct parser *parser, struct node **out) {
    struct lexer lexer = {.result = SYNTAX_OK};
    parser->lexer = &lexer;
    do
        next(parser);
    while (lexer.type == TOKEN_NEWLINE);
    if (lexer.result == SYNTAX_OK && lexer.type == TOKEN_END)
        return SYNTAX_END;
    *out = parse_line(parser);
    if (lexer.result == SYNTAX_OK && lexer.pending_count != 0)
        fail(parser, SYNTAX_INCOMPLETE, "a text (<<) is missing");
    parser->lexer = NULL;
    return lexer.result;
}
