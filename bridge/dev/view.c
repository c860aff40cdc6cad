#include "bridge/dev/view.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"

/* A record of 1 MB, the brokers' usual maximum, each byte escaped as \u00XX. */
static const size_t line_max = 8 * 1024 * 1024;

/* From here on a record fits one line; below, ce_id and value have a line of their own. */
static const unsigned one_line_width = 160;
/* Below, ce_id is cut, so that some of the value is seen. */
static const unsigned whole_id_width = 120;
/* Below, long keys are cut. */
static const unsigned whole_key_width = 90;
static const unsigned fallback_width = 80;

static const char dim[] = "2", bold[] = "1", red[] = "31", green[] = "32", yellow[] = "33",
                  magenta[] = "35", cyan[] = "36";

struct view {
    struct view_options opt;
    pthread_mutex_t lock; /* guards the rest, and who writes */
    struct buf line;      /* being written */
    bool status_shown;    /* the cursor stands in the status line */
};

enum status view_new(const struct view_options *opt, struct view **ret)
{
    struct view *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return STATUS_NOMEM;
    v->opt = *opt;
    pthread_mutex_init(&v->lock, NULL);
    buf_init(&v->line, line_max);
    *ret = v;
    return STATUS_OK;
}

void view_free(struct view *v)
{
    if (v == NULL)
        return;
    buf_done(&v->line);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

bool view_is_broken(const struct view *v)
{
    return ferror(v->opt.out) != 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void begin(struct view *v)
{
    v->line.len = 0;
    v->line.status = STATUS_OK;
    if (v->status_shown)
        buf_append_text(&v->line, "\r\x1b[K");
    v->status_shown = false;
}

/* A line for which memory was short is cut; the books have it all the same. */
static void end(struct view *v, FILE *to)
{
    fwrite(v->line.data, 1, v->line.len, to);
    fflush(to);
}

static void paint(struct view *v, const char *colour)
{
    if (v->opt.colour)
        buf_printf(&v->line, "\x1b[%sm", colour);
}

/* --- text in cells ---------------------------------------------------------------------------- */

/* The length of the UTF-8 character at the start; 0: it is none, or it would control the terminal
 * (C0, DEL and C1). */
static size_t character_len(struct bytes text)
{
    uint8_t first = text.data[0];
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (len == 0 || first > 0xf4 || text.len < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    return first == 0xc2 && text.data[1] < 0xa0 ? 0 : len;
}

/* Appends at most `width` characters, each taken for one column; returns how many columns. */
static unsigned append_visible(struct buf *b, struct bytes text, unsigned width)
{
    unsigned columns = 0;
    for (size_t at = 0; at < text.len && columns < width; columns++) {
        struct bytes rest = bytes_of(text.data + at, text.len - at);
        size_t len = character_len(rest);
        bool cut = columns + 1 == width && rest.len > (len == 0 ? 1 : len);
        if (cut)
            buf_append_text(b, "…");
        else if (len == 0)
            buf_append_text(b, text.data[at] == '\n' || text.data[at] == '\t' ? " " : "?");
        else
            buf_append(b, rest.data, len);
        at += len == 0 ? 1 : len;
    }
    return columns;
}

/* A column of the table, and the two spaces after it. */
static void append_cell(struct view *v, struct bytes text, unsigned width, const char *colour)
{
    paint(v, colour);
    unsigned columns = append_visible(&v->line, text, width);
    paint(v, "0");
    buf_printf(&v->line, "%*s", (int)(width - columns) + 2, "");
}

/* The last column: it takes what is left of the line. */
static void append_last(struct view *v, struct bytes text, unsigned width, const char *colour)
{
    paint(v, colour);
    append_visible(&v->line, text, width);
    paint(v, "0");
    buf_append_text(&v->line, "\n");
}

/* --- a record on a terminal ------------------------------------------------------------------- */

/* What a table shows of a record. */
struct row {
    struct bytes topic;
    struct bytes partition;
    struct bytes key;
    struct bytes type;
    struct bytes id;
    struct bytes value;
};

static unsigned terminal_width(const struct view *v)
{
    struct winsize size;
    if (v->opt.width > 0)
        return v->opt.width;
    if (ioctl(fileno(v->opt.out), TIOCGWINSZ, &size) != 0 || size.ws_col < 60)
        return fallback_width;
    return size.ws_col;
}

static bool ends_with(struct bytes text, struct bytes end)
{
    return text.len >= end.len &&
           bytes_equal(bytes_of(text.data + text.len - end.len, end.len), end);
}

static const char *colour_of_type(struct bytes type)
{
    if (ends_with(type, BYTES_LITERAL(".created")))
        return green;
    if (ends_with(type, BYTES_LITERAL(".updated")))
        return yellow;
    if (ends_with(type, BYTES_LITERAL(".deleted")))
        return red;
    return magenta;
}

/* Widths: maesn.journal-entry, its keys, types and ce_id fit; what is left is the value's. */
static void append_row(struct view *v, const struct row *row, bool heading)
{
    const unsigned topic = 19, partition = 2;
    unsigned width = terminal_width(v);
    unsigned id = width < whole_id_width ? 12 : 32;
    unsigned key = width < whole_key_width ? 24 : 27;
    unsigned type = width < one_line_width ? width - topic - partition - key - 6 : 31;

    append_cell(v, row->topic, topic, heading ? bold : cyan);
    append_cell(v, row->partition, partition, heading ? bold : dim);
    append_cell(v, row->key, key, bold);
    unsigned used = topic + partition + key + type + 8;
    if (width < one_line_width) {
        append_last(v, row->type, type, heading ? bold : colour_of_type(row->type));
        buf_append_text(&v->line, "  ");
        used = 2;
    } else {
        append_cell(v, row->type, type, heading ? bold : colour_of_type(row->type));
    }
    append_cell(v, row->id, id, heading ? bold : dim);
    append_last(v, row->value, width - used - id - 2, heading ? bold : dim);
}

void view_heading(struct view *v)
{
    if (v->opt.style != VIEW_TERMINAL)
        return;
    const struct row row = {
        BYTES_LITERAL("TOPIC"),   BYTES_LITERAL("P"),     BYTES_LITERAL("KEY"),
        BYTES_LITERAL("CE_TYPE"), BYTES_LITERAL("CE_ID"), BYTES_LITERAL("VALUE"),
    };
    pthread_mutex_lock(&v->lock);
    begin(v);
    append_row(v, &row, true);
    end(v, v->opt.out);
    pthread_mutex_unlock(&v->lock);
}

static struct row row_of(const struct arrival *a, char partition[12])
{
    snprintf(partition, 12, "%d", (int)a->partition);
    return (struct row){
        .topic = bytes_of_text(a->record.topic),
        .partition = bytes_of_text(partition),
        .key = a->record.key,
        .type = record_header(&a->record, "ce_type"),
        .id = record_header(&a->record, "ce_id"),
        .value = a->record.value,
    };
}

/* --- a record elsewhere ----------------------------------------------------------------------- */

static void append_plain(struct buf *b, const struct row *row)
{
    const struct bytes fields[] = {row->topic, row->partition, row->key,
                                   row->id,    row->type,      row->value};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (i > 0)
            buf_append_text(b, "\t");
        if (fields[i].data == NULL)
            buf_append_text(b, "-");
        append_visible(b, fields[i], UINT32_MAX);
    }
    buf_append_text(b, "\n");
}

static void append_json_text(struct buf *b, struct bytes text)
{
    if (text.data == NULL)
        buf_append_text(b, "null");
    else
        json_text_string(b, text);
}

static void append_json(struct buf *b, const struct arrival *a, const struct row *row)
{
    buf_append_text(b, "{\"topic\":");
    append_json_text(b, row->topic);
    buf_printf(b, ",\"partition\":%d,\"offset\":%lld,\"key\":", (int)a->partition,
               (long long)a->offset);
    append_json_text(b, row->key);
    buf_append_text(b, ",\"ce_id\":");
    append_json_text(b, row->id);
    buf_append_text(b, ",\"ce_type\":");
    append_json_text(b, row->type);
    buf_append_text(b, ",\"headers\":{");
    for (size_t i = 0; i < a->record.headers_len; i++) {
        buf_append_text(b, i == 0 ? "" : ",");
        json_text_string(b, bytes_of_text(a->record.headers[i].name));
        buf_append_text(b, ":");
        append_json_text(b, a->record.headers[i].value);
    }
    buf_append_text(b, "},\"value\":");
    append_json_text(b, row->value);
    buf_append_text(b, "}\n");
}

void view_arrival(struct view *v, const struct arrival *a)
{
    char partition[12];
    struct row row = row_of(a, partition);
    struct buf *b = &v->line;
    pthread_mutex_lock(&v->lock);
    begin(v);
    switch (v->opt.style) {
    case VIEW_PLAIN:
        append_plain(b, &row);
        break;
    case VIEW_TERMINAL:
        append_row(v, &row, false);
        break;
    case VIEW_JSON:
        append_json(b, a, &row);
        break;
    }
    end(v, v->opt.out);
    pthread_mutex_unlock(&v->lock);
}

/* --- remarks, status, books ------------------------------------------------------------------- */

void view_remark(struct view *v, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    bool terminal = v->opt.style == VIEW_TERMINAL;
    pthread_mutex_lock(&v->lock);
    begin(v);
    append_last(v, bytes_of_text(text), terminal ? terminal_width(v) : UINT32_MAX, red);
    end(v, terminal ? v->opt.out : v->opt.err);
    pthread_mutex_unlock(&v->lock);
}

void view_status(struct view *v, const struct ledger_totals *t, int64_t elapsed_ms)
{
    if (v->opt.style != VIEW_TERMINAL)
        return;
    char text[256];
    snprintf(text, sizeof(text),
             "%lld s   sent %llu   answered 200: %llu   refused: %llu   records: %llu   "
             "under way: %llu",
             (long long)elapsed_ms / 1000, (unsigned long long)t->sent,
             (unsigned long long)t->answered_200,
             (unsigned long long)(t->answered_otherwise + t->forged_refused),
             (unsigned long long)(t->received + t->by_others), (unsigned long long)t->missing);
    struct buf *b = &v->line;
    pthread_mutex_lock(&v->lock);
    begin(v);
    paint(v, "7");
    append_visible(b, bytes_of_text(text), terminal_width(v) - 1);
    paint(v, "0");
    v->status_shown = true;
    end(v, v->opt.out);
    pthread_mutex_unlock(&v->lock);
}

static void append_total(struct view *v, const char *name, uint64_t number, const char *remark)
{
    buf_printf(&v->line, "  %-20s%10llu", name, (unsigned long long)number);
    paint(v, dim);
    buf_printf(&v->line, "%s%s", remark[0] == '\0' ? "" : "   ", remark);
    paint(v, "0");
    buf_append_text(&v->line, "\n");
}

static void append_verdict(struct view *v, const struct ledger_totals *t)
{
    bool fine = ledger_is_balanced(t);
    paint(v, fine ? green : red);
    buf_append_text(&v->line, fine ? "\n  every event answered 200 is in Kafka"
                                   : "\n  NOT every answer is matched by Kafka: see above");
    paint(v, "0");
    buf_append_text(&v->line, "\n");
}

static void append_books(struct view *v, const struct ledger_totals *t)
{
    buf_append_text(&v->line, "\n");
    append_total(v, "sent", t->sent, "callbacks");
    append_total(v, "answered 200", t->answered_200, "");
    append_total(v, "answered otherwise", t->answered_otherwise, "");
    append_total(v, "not answered", t->unanswered, "");
    append_total(v, "wrongly signed", t->forged, "on purpose, one of them now and then");
    append_total(v, "  refused with 401", t->forged_refused, "");
    append_total(v, "  accepted", t->forged_accepted, "must be 0");
    append_total(v, "  in Kafka", t->forged_received, "must be 0");
    append_total(v, "records received", t->received, "one an event; an array has several");
    append_total(v, "sent by others", t->by_others, "records of callbacks that were not ours");
    append_total(v, "duplicates", t->duplicates, "");
    append_total(v, "lost", t->missing, "answered 200 but not in Kafka: must be 0");
    append_verdict(v, t);
}

static void append_json_books(struct buf *b, const struct ledger_totals *t)
{
    const struct {
        const char *name;
        uint64_t number;
    } rows[] = {
        {"sent", t->sent},
        {"answered_200", t->answered_200},
        {"answered_otherwise", t->answered_otherwise},
        {"unanswered", t->unanswered},
        {"forged", t->forged},
        {"forged_refused", t->forged_refused},
        {"forged_accepted", t->forged_accepted},
        {"forged_received", t->forged_received},
        {"received", t->received},
        {"by_others", t->by_others},
        {"duplicates", t->duplicates},
        {"lost", t->missing},
    };
    buf_append_text(b, "{\"summary\":{");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        buf_printf(b, "%s\"%s\":%llu", i == 0 ? "" : ",", rows[i].name,
                   (unsigned long long)rows[i].number);
    buf_append_text(b, "}}\n");
}

void view_summary(struct view *v, const struct ledger_totals *totals)
{
    pthread_mutex_lock(&v->lock);
    begin(v);
    if (v->opt.style == VIEW_JSON)
        append_json_books(&v->line, totals);
    else
        append_books(v, totals);
    end(v, v->opt.out);
    pthread_mutex_unlock(&v->lock);
}
