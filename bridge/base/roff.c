#include "bridge/base/roff.h"

#include <string.h>

/* Columns of the source. Source: mandoc -Tlint 1.14.6 tells of lines of more than 80 bytes. */
static const size_t width = 78;

/* What is no text to roff, or would be typeset as another character: the program's texts are typed
 * and copied. Source: groff_man_style(7), "Portability"; groff_char(7). */
static const char *escape_of(char c)
{
    switch (c) {
    case '\\':
        return "\\(rs";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    case '"':
        return "\\(dq";
    default:
        return NULL;
    }
}

static void append_escaped(struct buf *ret, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *escape = escape_of(text[i]);
        if (escape != NULL)
            buf_append_text(ret, escape);
        else
            buf_append(ret, &text[i], 1);
    }
}

/* At the beginning of a line a dot is a request's. */
static void begin_line(struct buf *ret, const char *text)
{
    if (text[0] == '.')
        buf_append_text(ret, "\\&");
}

void roff_title(struct buf *ret, const struct roff_title *title)
{
    buf_append_text(ret, ".TH \"");
    append_escaped(ret, title->name, strlen(title->name));
    buf_printf(ret, "\" %s %s \"", title->section, title->date);
    append_escaped(ret, title->source, strlen(title->source));
    buf_printf(ret, "\" \"%s\"\n.nh\n.ad l\n", title->manual);
}

void roff_macro(struct buf *ret, const char *macro, const char *argument)
{
    buf_printf(ret, ".%s \"", macro);
    append_escaped(ret, argument, strlen(argument));
    buf_append_text(ret, "\"\n");
}

void roff_entry(struct buf *ret, const char *tag, const char *argument)
{
    buf_append_text(ret, ".TP\n\\fB");
    append_escaped(ret, tag, strlen(tag));
    buf_append_text(ret, "\\fR");
    if (argument[0] != '\0') {
        buf_append_text(ret, " \\fI");
        append_escaped(ret, argument, strlen(argument));
        buf_append_text(ret, "\\fR");
    }
    buf_append_text(ret, "\n");
}

void roff_lines(struct buf *ret, const char *text, size_t len)
{
    buf_append_text(ret, ".RS 4\n.nf\n");
    const char *end = text + len;
    while (text < end) {
        size_t line = strcspn(text, "\n");
        if (line > (size_t)(end - text))
            line = (size_t)(end - text);
        size_t indent = strspn(text, " ");
        size_t from = indent > 2 ? indent - 2 : 0; /* they have two spaces in front in --help */
        if (from == 0)
            begin_line(ret, text + indent);
        buf_printf(ret, "%*s", (int)from, "");
        append_escaped(ret, text + indent, line > indent ? line - indent : 0);
        buf_append_text(ret, "\n");
        text += line + 1;
    }
    buf_append_text(ret, ".fi\n.RE\n");
}

/* A paragraph under way. */
struct filler {
    struct buf *to;
    size_t column;
    bool is_code;
};

/* What the word takes in the source; a backtick, which switches the font, is counted as one that is
 * typeset. */
static size_t source_len(const char *word, size_t len)
{
    size_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += escape_of(word[i]) == NULL ? 1 : strlen(escape_of(word[i]));
    return sum;
}

static void put_word(struct filler *f, const char *word, size_t len)
{
    if (f->column > 0 && f->column + 1 + source_len(word, len) > width) {
        buf_append_text(f->to, "\n");
        f->column = 0;
    }
    size_t before = f->to->len;
    if (f->column == 0)
        begin_line(f->to, word);
    else
        buf_append_text(f->to, " ");
    for (size_t i = 0; i < len; i++) {
        if (word[i] == '`') {
            f->is_code = !f->is_code;
            buf_append_text(f->to, f->is_code ? "\\fB" : "\\fR");
        } else {
            append_escaped(f->to, &word[i], 1);
        }
    }
    f->column += f->to->len - before;
}

static void end_line(struct filler *f)
{
    if (f->column > 0)
        buf_append_text(f->to, "\n");
    f->column = 0;
}

static void put_words(struct filler *f, const char *line, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t word = strcspn(line + at, " \n");
        if (word > 0)
            put_word(f, line + at, word);
        at += word + 1;
    }
}

/* The length of the lines from here on that begin with a space. */
static size_t kept_len(const char *text)
{
    size_t len = 0;
    while (text[len] == ' ') {
        len += strcspn(text + len, "\n");
        if (text[len] == '\n' && text[len + 1] == ' ')
            len++;
    }
    return len;
}

void roff_text(struct buf *ret, const char *text)
{
    struct filler f = {.to = ret};
    bool is_first = true, is_paragraph = false;
    while (*text != '\0') {
        size_t len = text[0] == ' ' ? kept_len(text) : strcspn(text, "\n");
        if (len == 0 || text[0] == ' ')
            end_line(&f);
        if (text[0] == ' ')
            roff_lines(ret, text, len);
        else if (len > 0 && is_paragraph && !is_first)
            buf_append_text(ret, ".PP\n");
        if (text[0] != ' ')
            put_words(&f, text, len);
        is_paragraph = len == 0;
        is_first = is_first && len == 0;
        text += len + (text[len] == '\n');
    }
    end_line(&f);
}
