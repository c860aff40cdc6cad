#include "bridge/app/replay_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/app/topic_rows.h"
#include "bridge/app/topic_table.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/kafka/topic_reader.h"
#include "bridge/kafka/topics_admin.h"
#include "bridge/kafka/transactor.h"
#include "bridge/replay/mark.h"

/* How long nothing may come before the brokers count as away. */
static const int64_t patience_ms = 30000;

/* How often a run that waits looks whether it is to end. */
static const int64_t turn_ms = 200;

/* A mark's value: a ce_id of at most 512 bytes, escaped, and a few numbers. */
static const size_t mark_max = 8192;

/* A letter that waits for its batch to be committed. */
struct item {
    struct arena *arena; /* has all the rest */
    struct dead_letter letter;
    struct judgement judgement;
    int32_t partition;
    int64_t offset;
};

struct run {
    const struct replay_run_options *opt;
    struct replay_report *report;
    struct diag *diag;
    struct arena *arena; /* of the run's own texts */
    const char *letters_topic;
    const char *marks_topic;
    struct transactor *transactor;
    struct topics_admin *admin;
    struct topic_table *marks; /* NULL: the topic is not there */
    struct topic_rows topics;  /* asked for: name -> "" or why it cannot be produced to */
    struct topic_reader *reader;
    struct item items[REPLAY_BATCH_LETTERS];
    size_t items_len;
    size_t items_bytes;
    size_t items_records;
};

DEFINE_CLEANUP(struct arena *, arena_free)

static void drop_items(struct run *r)
{
    for (size_t i = 0; i < r->items_len; i++)
        arena_free(r->items[i].arena);
    r->items_len = r->items_bytes = r->items_records = 0;
}

static void run_free(struct run *r)
{
    if (r == NULL)
        return;
    drop_items(r);
    topic_reader_free(r->reader);
    topic_table_close(r->marks);
    topics_admin_free(r->admin);
    transactor_free(r->transactor);
    topic_rows_done(&r->topics);
    arena_free(r->arena);
    free(r);
}
DEFINE_CLEANUP(struct run *, run_free)

static bool is_interrupted(const struct run *r)
{
    if (!r->report->is_interrupted && r->opt->is_interrupted != NULL)
        r->report->is_interrupted = r->opt->is_interrupted(r->opt->ctx);
    return r->report->is_interrupted;
}

/* What the transactor says, and of whom. */
static enum status told(struct run *r, enum status status, const struct diag *why)
{
    if (status == STATUS_OK || status == STATUS_NOMEM)
        return status;
    if (transactor_state(r->transactor) == TRANSACTOR_FENCED)
        return diag_set(r->diag, STATUS_BUSY, "another replay has taken over");
    return diag_set(r->diag, status, "%s", why->text);
}

/* --- before the first letter ---------------------------------------------------------------- */

/* Finds the topic of marks, or makes it. */
static enum status provide_marks_topic(struct run *r, bool *ret_is_there)
{
    const struct topics_wish wish = {r->marks_topic, TOPICS_REPLAYED};
    const struct topics_sizes sizes = {0};
    struct topics_plan plan;
    enum status status = topics_admin_plan(r->admin, &wish, 1, &sizes, r->arena, &plan, r->diag);
    if (status != STATUS_OK)
        return status;
    bool is_missing = plan.changes_len > 0 && plan.changes[0].action == TOPICS_CREATE;
    *ret_is_there = !is_missing || r->opt->execute;
    if (!is_missing || !r->opt->execute)
        return STATUS_OK;
    status = topics_admin_apply(r->admin, &plan.changes[0], r->diag);
    /* What the cluster refuses is no fault of the configuration. */
    return status == STATUS_INVALID ? STATUS_UNAVAILABLE : status;
}

static enum status open_run(struct run *r)
{
    const struct cluster *cluster = r->opt->cluster;
    char id[512];
    r->arena = arena_new((size_t)1 << 20);
    r->letters_topic = r->opt->judgement.envelope.dead_letter_topic;
    r->marks_topic = r->arena == NULL ? NULL : mark_topic(r->letters_topic, r->arena);
    if (r->marks_topic == NULL)
        return STATUS_NOMEM;
    snprintf(id, sizeof(id), "%s-replay", r->letters_topic);
    enum status status = topics_admin_new(cluster, &r->admin, r->diag);
    if (status == STATUS_OK)
        status = transactor_new(cluster, id, &r->transactor, r->diag);
    if (status == STATUS_OK)
        status = topic_reader_new(cluster, r->letters_topic, clock_mono_ms() + patience_ms,
                                  &r->reader, r->diag);
    if (status == STATUS_OK)
        r->report->total = topic_reader_total(r->reader);
    return status;
}

/* The marks are read when nobody else can set one any more. */
static enum status open_marks(struct run *r)
{
    bool is_there = false;
    struct diag why = {0};
    enum status status = provide_marks_topic(r, &is_there);
    if (status == STATUS_OK && r->opt->execute) {
        status = transactor_claim(r->transactor, clock_mono_ms() + patience_ms, &why);
        /* What the cluster forbids is no fault of the configuration. */
        status = told(r, status == STATUS_INVALID ? STATUS_UNAVAILABLE : status, &why);
    }
    if (status == STATUS_OK && is_there)
        status = topic_table_open(r->opt->cluster, r->marks_topic, &r->marks, r->diag);
    return status;
}

static bool is_marked(struct run *r, const struct topic_reader_record *rec, const char *id)
{
    if (r->marks == NULL)
        return false;
    char key[MARK_KEY_SIZE];
    mark_key(rec->partition, rec->offset, key);
    bool is_there = false;
    const struct topic_rows *rows = topic_table_lock(r->marks);
    for (int32_t p = 0; !is_there && p < topic_table_partitions(r->marks); p++) {
        const struct topic_row *row = topic_rows_find(rows, p, bytes_of_text(key));
        is_there = row != NULL && mark_is_of(row->value, id);
    }
    topic_table_unlock(r->marks);
    return is_there;
}

/* --- where a letter belongs ------------------------------------------------------------------ */

/* Asks once for each topic. *ret is "" or why nothing can be produced to it. */
static enum status look_at_topic(struct run *r, const char *topic, const char **ret)
{
    struct bytes name = bytes_of_text(topic);
    const struct topic_row *row = topic_rows_find(&r->topics, 0, name);
    if (row == NULL) {
        struct diag why = {0};
        int32_t partitions;
        int64_t until = clock_mono_ms() + patience_ms;
        enum status status = STATUS_UNAVAILABLE;
        while (status == STATUS_UNAVAILABLE && clock_mono_ms() < until && !is_interrupted(r)) {
            why.text[0] = '\0';
            status = transactor_look(r->transactor, topic, until, &partitions, &why);
        }
        if (status != STATUS_OK && status != STATUS_INVALID)
            return diag_set(r->diag, status, "%s: %s", topic, why.text);
        status = topic_rows_put(&r->topics, 0, name, bytes_of(why.text, strlen(why.text) + 1));
        if (status != STATUS_OK)
            return status;
        row = topic_rows_find(&r->topics, 0, name);
    }
    *ret = (const char *)row->value.data;
    return STATUS_OK;
}

/* A letter stays whole until all its records can go. */
static enum status check_topics(struct run *r, struct item *item)
{
    struct judgement *j = &item->judgement;
    const char *why = "";
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && why[0] == '\0' && i < j->records_len; i++) {
        if (i > 0 && strcmp(j->records[i].topic, j->records[i - 1].topic) == 0)
            continue;
        status = look_at_topic(r, j->records[i].topic, &why);
        if (status == STATUS_OK && why[0] != '\0') {
            j->outcome = REPLAY_NO_TOPIC;
            j->detail = arena_printf(item->arena, "%s: %s", j->records[i].topic, why);
            status = j->detail == NULL ? STATUS_NOMEM : STATUS_OK;
        }
    }
    return status;
}

/* --- committing ----------------------------------------------------------------------------- */

static enum status count(struct run *r, const struct item *item, enum replay_outcome outcome,
                         const char *detail)
{
    const struct tally_letter letter = {
        .outcome = outcome,
        .reason = item->letter.reason,
        .account = item->letter.account,
        .id = item->letter.id,
        .detail = detail,
        .records = item->judgement.records,
        .records_len = item->judgement.records_len,
        .partition = item->partition,
        .offset = item->offset,
        .recorded_at_unix_ms = item->letter.recorded_at_unix_ms,
    };
    return tally_add(&r->report->tally, &letter);
}

static enum status put_mark(struct run *r, const struct item *item, struct diag *why)
{
    char key[MARK_KEY_SIZE];
    CLEANUP(buf_done) struct buf value;
    buf_init(&value, mark_max);
    mark_key(item->partition, item->offset, key);
    mark_value(item->letter.id, item->judgement.records_len, clock_unix_ms(), &value);
    if (value.status != STATUS_OK)
        return STATUS_NOMEM;
    const struct transactor_record record = {
        .topic = r->marks_topic,
        .partition = TRANSACTOR_PARTITION_OF_KEY,
        .key = bytes_of_text(key),
        .value = buf_bytes(&value),
    };
    return transactor_put(r->transactor, &record, why);
}

static enum status put_item(struct run *r, const struct item *item, struct diag *why)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < item->judgement.records_len; i++) {
        const struct record *made = &item->judgement.records[i];
        const struct transactor_record record = {
            .topic = made->topic,
            .partition = TRANSACTOR_PARTITION_OF_KEY,
            .key = made->key,
            .value = made->value,
            .headers = made->headers,
            .headers_len = made->headers_len,
        };
        status = transactor_put(r->transactor, &record, why);
    }
    return status == STATUS_OK ? put_mark(r, item, why) : status;
}

/* One transaction. Errors: STATUS_INVALID the broker refuses one of these letters. */
static enum status write_items(struct run *r, size_t from, size_t to, struct diag *why)
{
    enum status status = transactor_begin(r->transactor, why);
    for (size_t i = from; status == STATUS_OK && i < to; i++)
        status = put_item(r, &r->items[i], why);
    if (status == STATUS_OK)
        status = transactor_commit(r->transactor, clock_mono_ms() + patience_ms, why);
    return status;
}

/* Commits these letters. A broker refuses a batch as a whole, so it is halved until it shows which
 * letter is to blame: that one stays. */
/* NOLINTNEXTLINE(misc-no-recursion): nine deep at most, for batches of 500 */
static enum status commit_items(struct run *r, size_t from, size_t to)
{
    struct diag why = {0};
    enum status status = write_items(r, from, to, &why);
    if (status == STATUS_INVALID && to - from > 1) {
        size_t middle = from + (to - from) / 2;
        status = commit_items(r, from, middle);
        return status == STATUS_OK ? commit_items(r, middle, to) : status;
    }
    if (status == STATUS_INVALID)
        return count(r, &r->items[from], REPLAY_REFUSED, why.text);
    if (status != STATUS_OK)
        return told(r, status, &why);
    for (size_t i = from; status == STATUS_OK && i < to; i++)
        status = count(r, &r->items[i], REPLAY_REPLAYED, "");
    return status;
}

static enum status flush(struct run *r)
{
    enum status status = r->items_len == 0 ? STATUS_OK : commit_items(r, 0, r->items_len);
    drop_items(r);
    r->report->passed = topic_reader_passed(r->reader);
    if (r->opt->on_progress != NULL)
        r->opt->on_progress(r->opt->ctx, r->report);
    return status;
}

/* --- the letters ---------------------------------------------------------------------------- */

/* A copy that outlives the reader's. */
static enum status copy_record(const struct record *from, struct arena *a, struct record *ret)
{
    *ret = *from;
    ret->topic = arena_dup(a, bytes_of_text(from->topic));
    ret->value.data = (uint8_t *)arena_dup(a, from->value);
    bool is_short = ret->topic == NULL || (from->value.data != NULL && ret->value.data == NULL);
    for (size_t i = 0; !is_short && i < from->headers_len; i++) {
        const struct record_header *h = &from->headers[i];
        ret->headers[i].name = arena_dup(a, bytes_of_text(h->name));
        ret->headers[i].value.data = (uint8_t *)arena_dup(a, h->value);
        is_short = ret->headers[i].name == NULL ||
                   (h->value.data != NULL && ret->headers[i].value.data == NULL);
    }
    return is_short ? STATUS_NOMEM : STATUS_OK;
}

/* What nobody can make an event of; it is told about, and stays. */
static enum status count_unreadable(struct run *r, const struct topic_reader_record *rec,
                                    const char *why)
{
    if (!selection_takes_unreadable(r->opt->selection, rec->timestamp_unix_ms)) {
        r->report->not_selected++;
        return STATUS_OK;
    }
    const struct tally_letter letter = {
        .outcome = REPLAY_UNREADABLE,
        .detail = why,
        .partition = rec->partition,
        .offset = rec->offset,
        .recorded_at_unix_ms = rec->timestamp_unix_ms,
    };
    return tally_add(&r->report->tally, &letter);
}

/* Takes the arena over when the letter is to be committed; then *arena is NULL. */
static enum status judge(struct run *r, const struct topic_reader_record *rec,
                         const struct dead_letter *letter, struct arena **arena)
{
    struct item item = {
        .arena = *arena, .letter = *letter, .partition = rec->partition, .offset = rec->offset};
    enum status status = judgement_make(&r->opt->judgement, letter, item.arena, &item.judgement);
    if (status == STATUS_OK && item.judgement.outcome == REPLAY_REPLAYED)
        status = check_topics(r, &item);
    if (status != STATUS_OK)
        return status;
    if (item.judgement.outcome != REPLAY_REPLAYED || !r->opt->execute)
        return count(r, &item, item.judgement.outcome, item.judgement.detail);
    r->items[r->items_len++] = item;
    r->items_bytes += letter->value.len;
    r->items_records += item.judgement.records_len;
    *arena = NULL;
    return STATUS_OK;
}

static enum status take_letter(struct run *r, const struct topic_reader_record *rec)
{
    struct diag why = {0};
    struct record record;
    struct dead_letter letter;
    CLEANUP(arena_free_scoped)
    struct arena *arena = arena_new(judgement_arena_max(rec->record.value.len));
    if (arena == NULL)
        return STATUS_NOMEM;
    r->report->letters++;
    enum status status = copy_record(&rec->record, arena, &record);
    if (status == STATUS_OK)
        status = dead_letter_read(&record, arena, &letter, &why);
    if (status == STATUS_INVALID)
        return count_unreadable(r, rec, why.text);
    if (status != STATUS_OK)
        return status;
    if (is_marked(r, rec, letter.id)) {
        r->report->already++;
        return STATUS_OK;
    }
    if (!selection_takes(r->opt->selection, &letter)) {
        r->report->not_selected++;
        return STATUS_OK;
    }
    return judge(r, rec, &letter, &arena);
}

static bool batch_is_full(const struct run *r)
{
    return r->items_len >= REPLAY_BATCH_LETTERS || r->items_bytes >= REPLAY_BATCH_BYTES ||
           r->items_records >= REPLAY_BATCH_RECORDS;
}

/* The next letter; waits for it as long as the brokers may be silent. */
static enum status next(struct run *r, const struct topic_reader_record **ret)
{
    int64_t give_up_at = clock_mono_ms() + patience_ms;
    enum status status = STATUS_BUSY;
    *ret = NULL;
    while (status == STATUS_BUSY && !is_interrupted(r) && clock_mono_ms() < give_up_at)
        status = topic_reader_next(r->reader, clock_mono_ms() + turn_ms, ret, r->diag);
    if (status != STATUS_BUSY || r->report->is_interrupted)
        return status == STATUS_BUSY ? STATUS_OK : status;
    return diag_set(r->diag, STATUS_UNAVAILABLE, "%s: the brokers do not answer", r->letters_topic);
}

static enum status replay_letters(struct run *r)
{
    const struct topic_reader_record *rec;
    enum status status = next(r, &rec);
    for (unsigned n = 1; status == STATUS_OK && rec != NULL && !is_interrupted(r); n++) {
        status = take_letter(r, rec);
        if (status == STATUS_OK && (batch_is_full(r) || n % REPLAY_BATCH_LETTERS == 0))
            status = flush(r);
        if (status == STATUS_OK)
            status = next(r, &rec);
    }
    return status == STATUS_OK ? flush(r) : status;
}

/* --- marks of letters that are gone ---------------------------------------------------------- */

struct outdated {
    struct run *run;
    struct diag why;
    size_t len;
    enum status status;
};

/* As many as one batch, the rest when there is a next run. */
static void forget(void *ctx, const struct topic_row *row)
{
    struct outdated *o = ctx;
    int32_t partition;
    int64_t offset;
    if (o->status != STATUS_OK || o->len >= REPLAY_BATCH_RECORDS ||
        !mark_key_read(row->key, &partition, &offset) ||
        offset >= topic_reader_beginning(o->run->reader, partition))
        return;
    if (o->len++ == 0)
        o->status = transactor_begin(o->run->transactor, &o->why);
    const struct transactor_record tombstone = {
        .topic = o->run->marks_topic, .partition = row->partition, .key = row->key};
    if (o->status == STATUS_OK)
        o->status = transactor_put(o->run->transactor, &tombstone, &o->why);
}

static enum status forget_outdated(struct run *r)
{
    struct outdated o = {.run = r};
    topic_rows_each(topic_table_lock(r->marks), forget, &o);
    topic_table_unlock(r->marks);
    if (o.status == STATUS_OK && o.len > 0)
        o.status = transactor_commit(r->transactor, clock_mono_ms() + patience_ms, &o.why);
    return told(r, o.status, &o.why);
}

/* --- all of it ------------------------------------------------------------------------------ */

enum status replay_run(const struct replay_run_options *opt, struct replay_report *ret,
                       struct diag *diag)
{
    *ret = (struct replay_report){0};
    CLEANUP(run_free_scoped) struct run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    r->opt = opt;
    r->report = ret;
    r->diag = diag;
    enum status status = open_run(r);
    if (status == STATUS_OK)
        status = open_marks(r);
    if (status == STATUS_OK)
        status = replay_letters(r);
    if (status == STATUS_OK && opt->execute && !ret->is_interrupted)
        status = forget_outdated(r);
    return status;
}

void replay_report_done(struct replay_report *report)
{
    tally_done(&report->tally);
}
