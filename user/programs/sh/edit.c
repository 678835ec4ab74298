// The line editor: the terminal sends what is typed as it comes, and shows what it is told.
//
// The cursor is a place in the bytes of the line; characters are UTF-8, and as wide as wcwidth
// says. After each key the line is shown anew: from the prompt on, then the cursor is moved back.

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "abi/kwast/terminal.h"
#include "user/programs/sh/shell.h"

#define CONTROL(letter) ((letter) & 0x1f)
#define KEY_DELETE      0x7f
#define KEY_ESCAPE      0x1b
#define HISTORY_MAX     500u
#define SHOWN_MAX       100u // names that are shown without a word

struct editor {
    const char *prompt;
    struct text line;
    usize cursor;
    u32 history_at; // the line of the history that is shown; history_count: the new one
    char *kept;     // the new one, while another is shown
    char *cut;      // by Ctrl-K, Ctrl-U or Ctrl-W, for Ctrl-Y
    bool is_shown;  // as it is
    bool done;
    bool interrupted;
    bool ended;
};

static char *history[HISTORY_MAX];
static u32 history_count;
static char *last_cut;

// -- The terminal ---------------------------------------------------------------------------------

static void set_mode(u64 mode) {
    struct kwast_call call = {.operation = TERMINAL_SET_MODE, .words = {mode}};
    while (kwast_scheme_call(shell.terminal, &call, -1) == EOWNERDEAD)
        call.words[0] = mode; // there will be another terminal
}

static u32 terminal_width(void) {
    struct kwast_call call = {.operation = TERMINAL_GET_SIZE};
    if (kwast_scheme_call(shell.terminal, &call, -1) != 0 || call.answer != 0 || call.words[0] < 8)
        return 80;
    return (u32)call.words[0];
}

static bool read_byte(char *out) {
    errno = 0;
    return read(0, out, 1) == 1;
}

static void put(const struct text *text) {
    for (usize at = 0; at < text->len;) {
        ssize_t written = write(2, text->data + at, text->len - at);
        if (written <= 0 && errno != EOWNERDEAD)
            return;
        at += written < 0 ? 0 : (usize)written;
    }
}

// How many columns the first `len` bytes take.
static u32 width_of(const char *text, usize len) {
    u32 width = 0;
    mbstate_t state = {0};
    for (usize at = 0; at < len;) {
        wchar_t c;
        usize bytes = mbrtowc(&c, text + at, len - at, &state);
        if (bytes == 0 || bytes > len - at) { // no character: a byte for itself
            state = (mbstate_t){0};
            bytes = 1;
            width++;
        } else {
            int columns = wcwidth(c);
            width += columns < 0 ? 1 : (u32)columns;
        }
        at += bytes;
    }
    return width;
}

// The part of the line that fits beside the prompt and has the cursor in it.
static usize first_shown(const struct editor *editor, u32 room) {
    usize first = 0;
    while (width_of(editor->line.data + first, editor->cursor - first) >= room) {
        first++;
        while (first < editor->cursor && (editor->line.data[first] & 0xc0) == 0x80)
            first++;
    }
    return first;
}

static void show(struct editor *editor) {
    struct text out = {0};
    char move[24];
    u32 width = terminal_width();
    u32 prompt_width = width_of(editor->prompt, strlen(editor->prompt));
    u32 room = width > prompt_width + 8 ? width - prompt_width - 1 : 8;
    text_of(&editor->line);
    usize first = first_shown(editor, room);
    usize len = editor->line.len - first;
    while (width_of(editor->line.data + first, len) > room)
        len--;
    text_add_string(&out, "\r");
    text_add_string(&out, editor->prompt);
    text_add(&out, editor->line.data + first, len);
    text_add_string(&out, "\x1b[K\r");
    u32 column = prompt_width + width_of(editor->line.data + first, editor->cursor - first);
    snprintf(move, sizeof move, "\x1b[%uC", column);
    if (column != 0)
        text_add_string(&out, move);
    put(&out);
    text_free(&out);
}

// -- Moving and changing --------------------------------------------------------------------------

static usize before(const struct editor *editor, usize at) {
    if (at == 0)
        return 0;
    do
        at--;
    while (at != 0 && (editor->line.data[at] & 0xc0) == 0x80);
    return at;
}

static usize behind(const struct editor *editor, usize at) {
    if (at >= editor->line.len)
        return editor->line.len;
    do
        at++;
    while (at < editor->line.len && (editor->line.data[at] & 0xc0) == 0x80);
    return at;
}

static usize word_before(const struct editor *editor, usize at) {
    while (at != 0 && isspace((unsigned char)editor->line.data[at - 1]))
        at--;
    while (at != 0 && !isspace((unsigned char)editor->line.data[at - 1]))
        at--;
    return at;
}

static usize word_behind(const struct editor *editor, usize at) {
    while (at < editor->line.len && isspace((unsigned char)editor->line.data[at]))
        at++;
    while (at < editor->line.len && !isspace((unsigned char)editor->line.data[at]))
        at++;
    return at;
}

static void insert(struct editor *editor, const char *text, usize len) {
    struct text line = {0};
    text_of(&editor->line);
    text_add(&line, editor->line.data, editor->cursor);
    text_add(&line, text, len);
    text_add_string(&line, editor->line.data + editor->cursor);
    text_free(&editor->line);
    editor->line = line;
    editor->cursor += len;
}

static void erase(struct editor *editor, usize from, usize to, bool keeps) {
    text_of(&editor->line);
    if (keeps && to > from) {
        free(last_cut);
        last_cut = must_have(strndup(editor->line.data + from, to - from));
    }
    memmove(editor->line.data + from, editor->line.data + to, editor->line.len - to + 1);
    editor->line.len -= to - from;
    editor->cursor = from;
}

static void replace_line(struct editor *editor, const char *text) {
    text_free(&editor->line);
    text_add_string(&editor->line, text);
    editor->cursor = editor->line.len;
}

// -- History --------------------------------------------------------------------------------------

static void remember(const char *line) {
    bool is_empty = line[strspn(line, " \t")] == 0;
    bool is_last = history_count != 0 && strcmp(history[history_count - 1], line) == 0;
    if (is_empty || is_last)
        return;
    if (history_count == HISTORY_MAX) {
        free(history[0]);
        memmove(history, history + 1, --history_count * sizeof history[0]);
    }
    history[history_count++] = must_have(strdup(line));
}

// Where lines are kept for later shells: HOME/.sh_history.
static FILE *open_history(const char *mode) {
    struct text path = {0};
    const char *home = variable_get("HOME");
    if (home == NULL)
        return NULL;
    text_add_string(&path, home);
    text_add_string(&path, "/.sh_history");
    FILE *file = fopen(text_of(&path), mode);
    text_free(&path);
    return file;
}

void history_read(void) {
    FILE *file = open_history("r");
    char line[4096];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        remember(line);
    }
    if (file != NULL)
        fclose(file);
}

static void keep(const char *line) {
    u32 before = history_count;
    remember(line);
    FILE *file = history_count != before || before == HISTORY_MAX ? open_history("a") : NULL;
    if (file == NULL)
        return; // then it is not kept
    fprintf(file, "%s\n", line);
    fclose(file);
}

void history_each(void (*visit)(u32 number, const char *line)) {
    for (u32 i = 0; i < history_count; i++)
        visit(i + 1, history[i]);
}

static void go_in_history(struct editor *editor, u32 to) {
    if (to > history_count)
        return;
    if (editor->history_at == history_count) {
        free(editor->kept);
        editor->kept = must_have(strdup(text_of(&editor->line)));
    }
    editor->history_at = to;
    replace_line(editor, to == history_count ? editor->kept : history[to]);
}

// -- Searching ------------------------------------------------------------------------------------

// The last line at or before `from` that has the text; history_count: none.
static u32 find_line(const char *text, u32 from) {
    for (u32 i = from + 1; i-- != 0;) {
        if (i < history_count && strstr(history[i], text) != NULL)
            return i;
    }
    return history_count;
}

static void show_search(const struct text *wanted, const char *found) {
    struct text out = {0};
    text_add_string(&out, "\r(search) ");
    text_add_string(&out, wanted->data);
    text_add_string(&out, ": ");
    text_add_string(&out, found);
    text_add_string(&out, "\x1b[K");
    put(&out);
    text_free(&out);
}

// Ctrl-R: what is typed is looked for in the history; Ctrl-R again for earlier lines. Any other key
// that is no character ends the search, and is taken as always: returned, or 0.
static char search(struct editor *editor) {
    struct text wanted = {0};
    u32 at = history_count;
    char key = CONTROL('R');
    text_of(&wanted);
    for (;;) {
        show_search(&wanted, at < history_count ? history[at] : "");
        if (!read_byte(&key))
            break;
        if (key == CONTROL('R')) {
            u32 earlier = at == 0 ? history_count : find_line(wanted.data, at - 1);
            at = earlier < history_count ? earlier : at;
        } else if (key == CONTROL('H') || key == KEY_DELETE) {
            wanted.len -= wanted.len != 0;
            at = find_line(text_of(&wanted), history_count);
        } else if ((unsigned char)key < ' ') {
            break;
        } else {
            text_add_char(&wanted, key);
            at = find_line(wanted.data, at);
        }
    }
    bool is_dropped = key == CONTROL('G') || key == CONTROL('C');
    if (at < history_count && !is_dropped)
        go_in_history(editor, at);
    text_free(&wanted);
    return is_dropped ? 0 : key;
}

// -- Completion -----------------------------------------------------------------------------------

struct completion {
    const char *start; // of the name that is looked for
    usize len;
    struct fields found;
};

static void consider(struct completion *completion, const char *name, const char *ending) {
    struct text text = {0};
    if (strncmp(name, completion->start, completion->len) != 0)
        return;
    text_add_string(&text, name);
    text_add_string(&text, ending);
    for (u32 i = 0; i < completion->found.count; i++) {
        if (strcmp(completion->found.at[i], text_of(&text)) == 0) {
            text_free(&text);
            return;
        }
    }
    fields_add(&completion->found, text_of(&text));
}

static void consider_function(const struct function *function, void *context) {
    consider(context, function->name, " ");
}

// Names in a folder: programs without ".wasm", or anything, with "/" behind directories.
static void consider_folder(struct completion *completion, const char *folder, bool programs) {
    DIR *directory = opendir(folder);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        usize len = strlen(entry->d_name);
        bool is_module = len > 5 && strcmp(entry->d_name + len - 5, ".wasm") == 0;
        bool is_hidden = entry->d_name[0] == '.' && completion->len == 0;
        bool is_dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (is_hidden || is_dots)
            continue;
        if (programs && is_module)
            entry->d_name[len - 5] = 0;
        bool is_directory = entry->d_type == DT_DIR;
        if (!programs || !is_directory)
            consider(completion, entry->d_name, is_directory ? "/" : " ");
    }
    if (directory != NULL)
        closedir(directory);
}

static void consider_commands(struct completion *completion) {
    const char *path = variable_get("PATH");
    for (u32 i = 0; builtin_name(i) != NULL; i++)
        consider(completion, builtin_name(i), " ");
    functions_each(consider_function, completion);
    while (path != NULL && *path != 0) {
        usize len = strcspn(path, ":");
        char *folder = must_have(strndup(path, len));
        consider_folder(completion, folder, true);
        free(folder);
        path += len + (path[len] == ':');
    }
}

static usize common_length(const struct fields *names) {
    usize common = strlen(names->at[0]);
    for (u32 i = 1; i < names->count; i++) {
        usize same = 0;
        while (same < common && names->at[0][same] == names->at[i][same])
            same++;
        common = same;
    }
    return common;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void show_names(const struct fields *names) {
    struct text out = {0};
    text_add_string(&out, "\r\n");
    qsort(names->at, names->count, sizeof *names->at, by_name);
    for (u32 i = 0; i < names->count && i < SHOWN_MAX; i++) {
        text_add_string(&out, names->at[i]);
        text_add_string(&out, " ");
    }
    if (names->count > SHOWN_MAX)
        text_add_string(&out, "...");
    text_add_string(&out, "\r\n");
    put(&out);
    text_free(&out);
}

// Where the word begins that the cursor is in or behind; what is escaped does not end it.
static usize word_start(const struct editor *editor) {
    const char *line = editor->line.data;
    usize start = editor->cursor;
    while (start != 0 && (strchr(" \t;|&<>()", line[start - 1]) == NULL ||
                          (start > 1 && line[start - 2] == '\\')))
        start--;
    return start;
}

static char *without_escapes(const char *text, usize len) {
    struct text out = {0};
    for (usize i = 0; i < len; i++) {
        i += text[i] == '\\' && i + 1 < len;
        text_add_char(&out, text[i]);
    }
    return text_of(&out);
}

// What all that was found goes on with; the blank behind a name that is the only one is none of it.
static void insert_common(struct editor *editor, const struct completion *completion,
                          usize common) {
    struct text out = {0};
    const char *name = completion->found.at[0];
    for (usize i = completion->len; i < common; i++) {
        bool is_ending = completion->found.count == 1 && name[i + 1] == 0;
        if (!is_ending && strchr(" \t\\'\"$`;|&<>()*?[]#", name[i]) != NULL)
            text_add_char(&out, '\\');
        text_add_char(&out, name[i]);
    }
    insert(editor, text_of(&out), out.len);
    text_free(&out);
}

static void complete(struct editor *editor) {
    text_of(&editor->line);
    usize start = word_start(editor);
    usize command = start;
    while (command != 0 && isspace((unsigned char)editor->line.data[command - 1]))
        command--;
    bool is_command = command == 0 || strchr(";|&(", editor->line.data[command - 1]) != NULL;
    char *word = without_escapes(editor->line.data + start, editor->cursor - start);
    char *slash = strrchr(word, '/');
    const char *name = slash == NULL ? word : slash + 1;
    struct completion completion = {.start = name, .len = strlen(name)};
    if (slash != NULL) {
        char *folder = must_have(strndup(word, (usize)(slash - word) + 1));
        consider_folder(&completion, folder, false);
        free(folder);
    } else if (is_command) {
        consider_commands(&completion);
    } else {
        consider_folder(&completion, ".", false);
    }
    if (completion.found.count != 0) {
        usize common = common_length(&completion.found);
        if (common > completion.len)
            insert_common(editor, &completion, common);
        else if (completion.found.count > 1)
            show_names(&completion.found);
    }
    fields_free(&completion.found);
    free(word);
}

// -- Keys -----------------------------------------------------------------------------------------

// What follows Escape: a key that has no character.
static void escape(struct editor *editor) {
    char c;
    u32 value = 0;
    if (!read_byte(&c))
        return;
    if (c == 'b' || c == 'f') {
        editor->cursor =
            c == 'b' ? word_before(editor, editor->cursor) : word_behind(editor, editor->cursor);
        return;
    }
    if (c != '[' && c != 'O')
        return;
    while (read_byte(&c) && (isdigit((unsigned char)c) || c == ';'))
        value = c == ';' ? value : 10 * value + (u32)(c - '0');
    switch (c) {
    case 'A':
        if (editor->history_at != 0)
            go_in_history(editor, editor->history_at - 1);
        break;
    case 'B':
        go_in_history(editor, editor->history_at + 1);
        break;
    case 'C':
        editor->cursor = behind(editor, editor->cursor);
        break;
    case 'D':
        editor->cursor = before(editor, editor->cursor);
        break;
    case 'H':
        editor->cursor = 0;
        break;
    case 'F':
        editor->cursor = editor->line.len;
        break;
    case '~':
        if (value == 3)
            erase(editor, editor->cursor, behind(editor, editor->cursor), false);
        else
            editor->cursor = value == 1 || value == 7 ? 0 : editor->line.len;
        break;
    default:
        break;
    }
}

static void control(struct editor *editor, char key) {
    usize cursor = editor->cursor;
    switch (key) {
    case CONTROL('A'):
        editor->cursor = 0;
        break;
    case CONTROL('B'):
        editor->cursor = before(editor, cursor);
        break;
    case CONTROL('C'):
        editor->interrupted = editor->done = true;
        break;
    case CONTROL('D'):
        if (editor->line.len == 0)
            editor->ended = editor->done = true;
        else
            erase(editor, cursor, behind(editor, cursor), false);
        break;
    case CONTROL('E'):
        editor->cursor = editor->line.len;
        break;
    case CONTROL('F'):
        editor->cursor = behind(editor, cursor);
        break;
    case CONTROL('H'):
    case KEY_DELETE:
        erase(editor, before(editor, cursor), cursor, false);
        break;
    case CONTROL('I'):
        complete(editor);
        break;
    case CONTROL('K'):
        erase(editor, cursor, editor->line.len, true);
        break;
    case CONTROL('L'):
        put(&(struct text){.data = "\x1b[H\x1b[2J", .len = 7});
        break;
    case CONTROL('N'):
        go_in_history(editor, editor->history_at + 1);
        break;
    case CONTROL('P'):
        if (editor->history_at != 0)
            go_in_history(editor, editor->history_at - 1);
        break;
    case CONTROL('U'):
        erase(editor, 0, cursor, true);
        break;
    case CONTROL('W'):
        erase(editor, word_before(editor, cursor), cursor, true);
        break;
    case CONTROL('Y'):
        if (last_cut != NULL)
            insert(editor, last_cut, strlen(last_cut));
        break;
    case KEY_ESCAPE:
        escape(editor);
        break;
    case '\r':
    case '\n':
        editor->done = true;
        break;
    default:
        break;
    }
}

// Takes one key; a character may be several bytes, and is inserted whole.
static void take_key(struct editor *editor) {
    char bytes[4];
    usize len = 1;
    if (!read_byte(bytes)) {
        if (errno == EOWNERDEAD) { // the terminal's service: the next one knows nothing
            set_mode(0);
            return;
        }
        editor->ended = editor->done = true;
        return;
    }
    unsigned char first = (unsigned char)bytes[0];
    if (first == CONTROL('R')) {
        first = (unsigned char)search(editor);
        bytes[0] = (char)first;
    }
    if (first < ' ' || first == KEY_DELETE) {
        control(editor, bytes[0]);
        return;
    }
    usize wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    while (len < wanted && read_byte(&bytes[len]))
        len++;
    bool at_end = editor->cursor == editor->line.len;
    insert(editor, bytes, len);
    u32 width = width_of(editor->prompt, strlen(editor->prompt)) +
                width_of(text_of(&editor->line), editor->line.len);
    editor->is_shown = at_end && width + 1 < terminal_width();
    if (editor->is_shown)
        put(&(struct text){.data = bytes, .len = len});
}

// The prompt does not write over what a program has written last.
static void leave_line(void) {
    struct kwast_call call = {.operation = TERMINAL_GET_SIZE};
    if (kwast_scheme_call(shell.terminal, &call, -1) == 0 && call.answer == 0 && call.words[2] != 0)
        put(&(struct text){.data = "\r\n", .len = 2});
}

char *edit_line(const char *prompt, bool *interrupted) {
    struct editor editor = {.prompt = prompt, .history_at = history_count};
    set_mode(0);
    leave_line();
    interrupt_take(); // it was for what has ended
    while (!editor.done) {
        if (!editor.is_shown)
            show(&editor);
        editor.is_shown = false;
        take_key(&editor);
    }
    editor.cursor = editor.line.len;
    show(&editor);
    put(&(struct text){.data = editor.interrupted ? "^C\r\n" : "\r\n",
                       .len = editor.interrupted ? 4 : 2});
    set_mode(TERMINAL_COOKED);
    free(editor.kept);
    *interrupted = editor.interrupted;
    if (editor.ended || editor.interrupted) {
        text_free(&editor.line);
        return editor.ended ? NULL : must_have(strdup(""));
    }
    keep(text_of(&editor.line));
    text_add_char(&editor.line, '\n');
    return text_of(&editor.line);
}
