#include "bridge/cli/spool_list.h"

#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/distance.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/spool_access.h"
#include "bridge/cli/spool_line.h"
#include "bridge/cli/text_table.h"
#include "bridge/spool/record_codec.h"

/* Of the records that --limit asks for: a person scrolls no farther. */
enum { LIMIT_MAX = 10000 };

struct list {
    const struct spool_access *access;
    struct store_survey survey;
    struct store_page oldest; /* as many as --limit says */
};

DEFINE_CLEANUP(struct arena *, arena_free)

/* --- for people ----------------------------------------------------------------------------- */

/* "3 records, 1.2 MiB" */
static void print_amount(const struct store_topic *t, struct buf *ret)
{
    buf_printf(ret, "%llu record%s, ", (unsigned long long)t->records, t->records == 1 ? "" : "s");
    if (t->bytes < 10000)
        buf_printf(ret, "%llu bytes", (unsigned long long)t->bytes);
    else
        buf_printf(ret, "%.1f MiB", (double)t->bytes / (1 << 20));
}

static void add_distance(struct text_table *t, int64_t unix_ms, int64_t now_unix_ms)
{
    char text[DISTANCE_TEXT_SIZE];
    distance_text(unix_ms, now_unix_ms, text);
    text_table_add(t, TEXT_PLAIN, "%s", text);
}

static void print_topics(const struct list *l, bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"TOPIC", "RECORDS", "BYTES", "OLDEST", "NEWEST"};
    CLEANUP(text_table_done) struct text_table t;
    int64_t now = clock_unix_ms();
    text_table_init(&t, headings, sizeof(headings) / sizeof(headings[0]));
    for (size_t i = 0; i < l->survey.topics_len; i++) {
        const struct store_topic *topic = &l->survey.topics[i];
        text_table_add(&t, TEXT_PLAIN, "%s", topic->name);
        text_table_add(&t, TEXT_PLAIN, "%llu", (unsigned long long)topic->records);
        text_table_add(&t, TEXT_PLAIN, "%llu", (unsigned long long)topic->bytes);
        add_distance(&t, topic->oldest_unix_ms, now);
        add_distance(&t, topic->newest_unix_ms, now);
    }
    text_table_print(&t, with_colour, ret);
}

/* What a sender chose must not talk to the terminal. */
static void add_bytes(struct text_table *t, struct bytes bytes)
{
    char text[128] = "";
    size_t len = bytes.len < sizeof(text) - 1 ? bytes.len : sizeof(text) - 1;
    for (size_t i = 0; i < len; i++)
        text[i] = bytes.data[i] < ' ' || bytes.data[i] > '~' ? '?' : (char)bytes.data[i];
    text_table_add(t, TEXT_PLAIN, "%s", text);
}

static void print_oldest(const struct list *l, bool with_colour, struct buf *ret)
{
    static const char *const headings[] = {"SEQUENCE", "STORED", "TOPIC", "KEY", "CE_ID", "BYTES"};
    CLEANUP(text_table_done) struct text_table t;
    int64_t now = clock_unix_ms();
    text_table_init(&t, headings, sizeof(headings) / sizeof(headings[0]));
    for (size_t i = 0; i < l->oldest.len; i++) {
        const struct spooled_record *r = &l->oldest.records[i];
        text_table_add(&t, TEXT_FAINT, "%lld", (long long)r->sequence);
        add_distance(&t, r->stored_at_unix_ms, now);
        text_table_add(&t, TEXT_PLAIN, "%s", r->record.topic);
        add_bytes(&t, r->record.key);
        add_bytes(&t, record_header(&r->record, "ce_id"));
        text_table_add(&t, TEXT_PLAIN, "%zu", record_codec_payload(&r->record));
    }
    buf_append_text(ret, "\n");
    text_table_print(&t, with_colour, ret);
}

static void print_text(const struct list *l, bool with_colour, struct buf *ret)
{
    const struct store_topic *all = &l->survey.all;
    if (all->records == 0) {
        buf_append_text(ret, "the spool is empty\n");
    } else {
        char oldest[DISTANCE_TEXT_SIZE];
        distance_text(all->oldest_unix_ms, clock_unix_ms(), oldest);
        print_amount(all, ret);
        buf_printf(ret, ", the oldest stored %s\n\n", oldest);
        print_topics(l, with_colour, ret);
    }
    if (l->oldest.len > 0)
        print_oldest(l, with_colour, ret);
    if (l->survey.damaged > 0)
        buf_printf(ret,
                   "\n%s%llu damaged record%s set aside%s: `maesn-bridge spool export` shows "
                   "what is left\n",
                   text_colour_begin(TEXT_RED, with_colour), (unsigned long long)l->survey.damaged,
                   l->survey.damaged == 1 ? "" : "s", text_colour_end(TEXT_RED, with_colour));
}

/* --- for programs --------------------------------------------------------------------------- */

static void json_times(struct buf *ret, const struct store_topic *t)
{
    if (t->records == 0)
        return;
    spool_line_instant(ret, "oldest_stored_at", t->oldest_unix_ms);
    spool_line_instant(ret, "newest_stored_at", t->newest_unix_ms);
}

static void json_amount(struct buf *ret, const struct store_topic *t)
{
    buf_printf(ret, ",\"records\":%llu,\"bytes\":%llu", (unsigned long long)t->records,
               (unsigned long long)t->bytes);
    json_times(ret, t);
}

static void json_oldest(struct buf *ret, const struct store_page *page)
{
    for (size_t i = 0; i < page->len; i++) {
        const struct spooled_record *r = &page->records[i];
        buf_printf(ret, "%s{\"sequence\":%lld", i == 0 ? "" : ",", (long long)r->sequence);
        spool_line_instant(ret, "stored_at", r->stored_at_unix_ms);
        spool_line_bytes(ret, "topic", bytes_of_text(r->record.topic));
        spool_line_bytes(ret, "key", r->record.key);
        spool_line_bytes(ret, "ce_id", record_header(&r->record, "ce_id"));
        buf_printf(ret, ",\"bytes\":%zu}", record_codec_payload(&r->record));
    }
}

static void print_json(const struct list *l, struct buf *ret)
{
    buf_append_text(ret, "{\"file\":");
    json_text_string(ret, bytes_of_text(l->access->path));
    json_amount(ret, &l->survey.all);
    buf_printf(ret, ",\"damaged\":%llu,\"topics\":[", (unsigned long long)l->survey.damaged);
    for (size_t i = 0; i < l->survey.topics_len; i++) {
        buf_append_text(ret, i == 0 ? "{\"topic\":" : ",{\"topic\":");
        json_text_string(ret, bytes_of_text(l->survey.topics[i].name));
        json_amount(ret, &l->survey.topics[i]);
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "],\"oldest\":[");
    json_oldest(ret, &l->oldest);
    buf_append_text(ret, "]}\n");
}

/* --- the command ---------------------------------------------------------------------------- */

static enum status gather(struct list *l, size_t limit, struct arena *a, struct diag *diag)
{
    const struct store_range range = {.max = limit, .max_bytes = SIZE_MAX};
    enum status status = store_reader_survey(l->access->reader, a, &l->survey, diag);
    return status == STATUS_OK && limit > 0
               ? store_reader_read(l->access->reader, &range, a, &l->oldest, diag)
               : status;
}

static enum exit_code list_run(const struct invocation *in)
{
    CLEANUP(spool_access_done) struct spool_access x = {0};
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(SIZE_MAX / 4);
    CLEANUP(buf_done) struct buf text;
    struct list l = {.access = &x};
    struct diag diag = {0};
    size_t limit = 0;
    buf_init(&text, OUTPUT_MAX);
    if (a == NULL)
        return output_out_of_memory();
    enum exit_code code = spool_access_limit(in, "spool list", 0, &limit);
    if (code == EXIT_CODE_FINE)
        code = spool_access_init(in, "spool list", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = gather(&l, limit > LIMIT_MAX ? LIMIT_MAX : limit, a, &diag);
    if (status != STATUS_OK)
        return spool_access_fail(&x, status, &diag);
    if (invocation_wants_json(in))
        print_json(&l, &text);
    else
        print_text(&l, invocation_wants_colour(in), &text);
    return output_write(stdout, &text);
}

static const struct command_option options[] = {
    {"file", "FILE",
     "Look at this database, such as a spool.db.damaged-..., instead of the one in "
     "spool.directory."},
    {"limit", "N", "Also list the N oldest records, at most 10000."},
    {0},
};

const struct command spool_list_command = {
    .name = "spool list",
    .operands = "",
    .summary = "Show how much waits in the spool for Kafka, by topic.",
    .description =
        "Counts the records that the ingress has answered 200 and Kafka has not taken yet, their\n"
        "keys, values and headers in bytes, and how long the oldest has waited. The ingress may\n"
        "run; nothing is changed. deploy/schemas has the JSON Schema of --output json.",
    .options = options,
    .examples = "  $ maesn-bridge spool list\n"
                "  $ maesn-bridge spool list --limit 20\n"
                "  $ maesn-bridge spool list --output json | jq .records",
    .exit_codes =
        (const struct exit_meaning[]){{0, "shown"},
                                      {1, "the database is damaged, or none of a spool"},
                                      {64, "wrong use"},
                                      {69, "the file is not there, or cannot be read"},
                                      {78, "the configuration is faulty, or names no spool"},
                                      {0}},
    .run = list_run,
};
