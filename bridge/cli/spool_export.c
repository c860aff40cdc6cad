#include "bridge/cli/spool_export.h"

#include <errno.h>
#include <stdio.h>

#include "bridge/base/scoped.h"
#include "bridge/cli/output.h"
#include "bridge/cli/spool_access.h"
#include "bridge/cli/spool_line.h"

enum { PAGE_RECORDS = 500, PAGE_BYTES = 4 << 20 };

struct export
{
    const struct spool_access *access;
    size_t left; /* lines to write */
    size_t unreadable;
    size_t gaps; /* stretches of the file that SQLite finds no way through */
    struct diag gap;
    bool is_output_closed;
};

DEFINE_CLEANUP(struct arena *, arena_free)

/* The page's lines, in one go: nothing of the spool is locked meanwhile, however slow the reader.
 */
static enum status write_page(struct export *e, const struct store_page *page)
{
    CLEANUP(buf_done) struct buf lines;
    buf_init(&lines, SIZE_MAX / 4);
    size_t len = page->len < e->left ? page->len : e->left;
    for (size_t i = 0; i < len; i++)
        spool_line_record(&page->records[i], &lines);
    e->left -= len;
    if (page->damage.sequence != 0 && e->left > 0) {
        spool_line_damage(&page->damage, &lines);
        e->unreadable++;
        e->left--;
    }
    if (lines.status != STATUS_OK)
        return STATUS_NOMEM;
    return lines.len == 0 || fwrite(lines.data, 1, lines.len, stdout) == lines.len ? STATUS_OK
                                                                                   : STATUS_BUSY;
}

/* Where to go on; INT64_MAX: nowhere. */
static int64_t find_next(struct export *e, const struct store_range *range,
                         const struct store_page *page, enum status status, const struct diag *diag)
{
    int64_t last = page->len > 0 ? page->records[page->len - 1].sequence : range->after;
    if (status != STATUS_OK) {
        if (e->gaps++ == 0)
            e->gap = *diag;
        return store_reader_skip(e->access->reader, range->table, last);
    }
    if (page->damage.sequence != 0)
        return page->damage.sequence;
    return page->is_at_end ? INT64_MAX : last;
}

static enum status export_table(struct export *e, enum store_table table, struct diag *diag)
{
    struct store_range range = {.table = table, .max = PAGE_RECORDS, .max_bytes = PAGE_BYTES};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && e->left > 0 && range.after != INT64_MAX) {
        struct store_page page;
        struct diag why = {0};
        CLEANUP(arena_free_scoped) struct arena *a = arena_new(SIZE_MAX / 4);
        if (a == NULL)
            return STATUS_NOMEM;
        enum status read = store_reader_read(e->access->reader, &range, a, &page, &why);
        bool is_gap = read == STATUS_INVALID ||
                      (read == STATUS_UNAVAILABLE && store_reader_met_error(e->access->reader));
        if (read != STATUS_OK && !is_gap)
            return diag_set(diag, read, "%s", why.text);
        status = write_page(e, &page);
        range.after = find_next(e, &range, &page, read, &why);
    }
    return status;
}

static enum exit_code export_end(const struct export *e, enum status status,
                                 const struct diag *diag)
{
    if (e->is_output_closed || (status == STATUS_OK && fflush(stdout) != 0)) {
        fprintf(stderr, "maesn-bridge spool export: cannot write: %s\n", strerror(errno));
        return EXIT_CODE_FAILURE;
    }
    if (status != STATUS_OK)
        return spool_access_fail(e->access, status, diag);
    if (e->gaps > 0)
        fprintf(stderr,
                "maesn-bridge spool export: %s is damaged in %zu place%s: %s; what could be read "
                "was written, `sqlite3 FILE .recover` may find more\n",
                e->access->path, e->gaps, e->gaps == 1 ? "" : "s", e->gap.text);
    if (e->unreadable > 0)
        fprintf(stderr, "maesn-bridge spool export: %zu record%s cannot be trusted\n",
                e->unreadable, e->unreadable == 1 ? "" : "s");
    return e->gaps > 0 || e->unreadable > 0 ? EXIT_CODE_FAILURE : EXIT_CODE_FINE;
}

static enum exit_code export_run(const struct invocation *in)
{
    CLEANUP(spool_access_done) struct spool_access x = {0};
    struct export e = {.access = &x};
    struct diag diag = {0};
    enum exit_code code = spool_access_limit(in, "spool export", SIZE_MAX, &e.left);
    if (code == EXIT_CODE_FINE)
        code = spool_access_init(in, "spool export", &x);
    if (code != EXIT_CODE_FINE)
        return code;
    enum status status = export_table(&e, STORE_RECORDS, &diag);
    if (status == STATUS_OK)
        status = export_table(&e, STORE_DAMAGED, &diag);
    return export_end(&e, status, &diag);
}

static const struct command_option options[] = {
    {"file", "FILE",
     "Read this database, such as a spool.db.damaged-..., instead of the one in spool.directory."},
    {"limit", "N", "Write no more than the N oldest records."},
    {0},
};

const struct command spool_export_command = {
    .name = "spool export",
    .operands = "",
    .summary = "Write the records that wait in the spool, one JSON object a line.",
    .description =
        "Writes what the ingress has answered 200 and Kafka has not taken yet, oldest first. The\n"
        "ingress may run; nothing is changed. Values and keys are text, or base64 under\n"
        "\"value_base64\" and \"key_base64\" where they are no UTF-8.\n"
        "\n"
        "  {\"sequence\": 1, \"stored_at\": ..., \"topic\": ..., \"key\": ..., \"value\": ...,\n"
        "   \"headers\": [{\"name\": ..., \"value\": ...}], \"account\": ..., \"path\": ...}\n"
        "  {\"sequence\": 2, \"stored_at\": ..., \"unreadable\": \"why\", \"raw_base64\": ...}\n"
        "\n"
        "Of a damaged database, which the ingress has moved aside, --file reads as much as can be\n"
        "read. deploy/schemas has the JSON Schema of a line.",
    .options = options,
    .examples = "  $ maesn-bridge spool export | jq -r 'select(.account == \"acme-42\") | .value'\n"
                "  $ maesn-bridge spool export --file /spool/spool.db.damaged-20261231T235959Z > "
                "saved.jsonl",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "everything was written"},
            {1, "the database, or a record, is damaged; the rest was written"},
            {64, "wrong use"},
            {69, "the file is not there, or cannot be read"},
            {78, "the configuration is faulty, or names no spool"},
            {0}},
    .run = export_run,
};
