#include "bridge/app/topic_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/kafka/compacted_topic.h"

/* How long nothing may come before the brokers count as away; librdkafka gives up a connection that
 * does not answer after half of it. */
static const int64_t patience_ms = 20000;

/* What one partition's changes may take: a million routes. */
static const size_t changes_max_bytes = (size_t)2 << 30;

struct topic_table {
    const struct cluster *cluster;
    char *topic;
    int32_t partitions;
    struct compacted_topic *reader;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct topic_rows rows;
    uint64_t records;    /* that were read */
    uint64_t *refreshed; /* by partition */
    enum status status;  /* of what can no longer be read */
    struct diag why;
};

DEFINE_CLEANUP(struct topic_table *, topic_table_close)
DEFINE_CLEANUP(struct fenced_writer *, fenced_writer_free)
DEFINE_CLEANUP(struct arena *, arena_free)

/* --- what the reader tells; in its thread --------------------------------------------------- */

static void fail(struct topic_table *t, enum status status, const char *why)
{
    if (t->status == STATUS_OK)
        (void)diag_set(&t->why, status, "%s", why);
    if (t->status == STATUS_OK)
        t->status = status;
    pthread_cond_broadcast(&t->changed);
}

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct topic_table *t = ctx;
    pthread_mutex_lock(&t->lock);
    t->records++;
    if (record->key.data != NULL &&
        topic_rows_put(&t->rows, record->partition, record->key, record->value) != STATUS_OK)
        fail(t, STATUS_NOMEM, "memory is short");
    pthread_mutex_unlock(&t->lock);
}

static void on_end(void *ctx, int32_t partition, uint64_t refresh)
{
    struct topic_table *t = ctx;
    pthread_mutex_lock(&t->lock);
    if (refresh > t->refreshed[partition])
        t->refreshed[partition] = refresh;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    struct topic_table *t = ctx;
    pthread_mutex_lock(&t->lock);
    fail(t, status, diag->text);
    pthread_mutex_unlock(&t->lock);
}

/* --- life ----------------------------------------------------------------------------------- */

static enum status init_lock(struct topic_table *t)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return STATUS_NOMEM;
    int err = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (err == 0)
        err = pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (err != 0)
        return STATUS_NOMEM;
    err = pthread_mutex_init(&t->lock, NULL);
    if (err != 0)
        pthread_cond_destroy(&t->changed);
    return err == 0 ? STATUS_OK : STATUS_NOMEM;
}

static uint64_t records_read(struct topic_table *t, enum status *ret_status, struct diag *diag)
{
    pthread_mutex_lock(&t->lock);
    uint64_t records = t->records;
    *ret_status = t->status;
    if (t->status != STATUS_OK)
        (void)diag_set(diag, t->status, "%s", t->why.text);
    pthread_mutex_unlock(&t->lock);
    return records;
}

/* Waits as long as something comes. */
static enum status read_to_end(struct topic_table *t, struct diag *diag)
{
    enum status failure;
    for (uint64_t before = 0;;) {
        struct diag why = {0};
        enum status status = compacted_topic_wait(t->reader, clock_mono_ms() + patience_ms, &why);
        uint64_t records = records_read(t, &failure, diag);
        if (failure != STATUS_OK || status == STATUS_OK)
            return failure;
        if (status != STATUS_UNAVAILABLE || records == before)
            return diag_set(diag, status, "%s", why.text);
        before = records;
    }
}

enum status topic_table_open(const struct cluster *cluster, const char *topic,
                             struct topic_table **ret, struct diag *diag)
{
    int32_t partitions;
    enum status status = compacted_topic_check(cluster, topic, false, &partitions, diag);
    if (status != STATUS_OK)
        return status;
    struct topic_table *made = calloc(1, sizeof(*made));
    if (made == NULL || init_lock(made) != STATUS_OK) {
        free(made);
        return STATUS_NOMEM;
    }
    CLEANUP(topic_table_close_scoped) struct topic_table *t = made;
    t->cluster = cluster;
    t->partitions = partitions;
    t->topic = strdup(topic);
    t->refreshed = calloc((size_t)partitions, sizeof(*t->refreshed));
    if (t->topic == NULL || t->refreshed == NULL)
        return STATUS_NOMEM;
    const struct compacted_topic_options opt = {
        .cluster = cluster,
        .topic = topic,
        .callbacks = {.ctx = t, .on_record = on_record, .on_end = on_end, .on_refused = on_refused},
    };
    status = compacted_topic_new(&opt, &t->reader, diag);
    if (status == STATUS_OK)
        status = read_to_end(t, diag);
    if (status == STATUS_OK)
        *ret = TAKE(t);
    return status;
}

void topic_table_close(struct topic_table *t)
{
    if (t == NULL)
        return;
    compacted_topic_free(t->reader);
    topic_rows_done(&t->rows);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t->refreshed);
    free(t->topic);
    free(t);
}

/* --- reading -------------------------------------------------------------------------------- */

const char *topic_table_topic(const struct topic_table *t)
{
    return t->topic;
}

int32_t topic_table_partitions(const struct topic_table *t)
{
    return t->partitions;
}

const struct topic_rows *topic_table_lock(struct topic_table *t)
{
    pthread_mutex_lock(&t->lock);
    return &t->rows;
}

void topic_table_unlock(struct topic_table *t)
{
    pthread_mutex_unlock(&t->lock);
}

/* All that was committed before is known when it returns. */
static enum status refresh(struct topic_table *t, int32_t partition, struct diag *diag)
{
    uint64_t wanted = compacted_topic_refresh(t->reader, partition);
    int64_t until_ms = clock_mono_ms() + patience_ms;
    const struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
    pthread_mutex_lock(&t->lock);
    int err = 0;
    while (t->refreshed[partition] < wanted && t->status == STATUS_OK && err == 0)
        err = pthread_cond_timedwait(&t->changed, &t->lock, &until);
    enum status status = t->status;
    if (status != STATUS_OK)
        (void)diag_set(diag, status, "%s", t->why.text);
    else if (t->refreshed[partition] < wanted)
        status = diag_set(diag, STATUS_UNAVAILABLE, "%s: the end of partition %d was not met",
                          t->topic, (int)partition);
    pthread_mutex_unlock(&t->lock);
    return status;
}

/* --- changing ------------------------------------------------------------------------------- */

enum status topic_changes_add(struct topic_changes *c, struct bytes key, struct bytes value)
{
    if (c->len == c->capacity) {
        size_t grown = c->capacity == 0 ? 64 : c->capacity * 2;
        void *moved = reallocarray(c->items, grown, sizeof(*c->items));
        if (moved == NULL)
            return STATUS_NOMEM;
        c->items = moved;
        c->capacity = grown;
    }
    const char *own_key = arena_dup(c->arena, key);
    const char *own_value = value.data == NULL ? NULL : arena_dup(c->arena, value);
    if (own_key == NULL || (own_value == NULL && value.data != NULL))
        return STATUS_NOMEM;
    c->items[c->len++] =
        (struct fenced_writer_record){bytes_of(own_key, key.len), bytes_of(own_value, value.len)};
    return STATUS_OK;
}

/* A writer that is fenced tells so, whatever the call that found it out says. */
static enum status judge(const struct fenced_writer *w, const struct topic_table *t,
                         int32_t partition, enum status status, const struct diag *why,
                         struct diag *diag)
{
    if (status != STATUS_OK && fenced_writer_state(w) == FENCED_WRITER_FENCED)
        return diag_set(diag, STATUS_BUSY,
                        "%s: partition %d has another writer since: a reconciler was started, or "
                        "another command",
                        t->topic, (int)partition);
    return status == STATUS_OK ? status : diag_set(diag, status, "%s", why->text);
}

static enum status write_all(struct fenced_writer *w, const struct topic_changes *c,
                             size_t *ret_written, struct diag *diag)
{
    for (size_t at = 0; at < c->len;) {
        size_t len = c->len - at < TOPIC_TABLE_BATCH ? c->len - at : TOPIC_TABLE_BATCH;
        enum status status =
            fenced_writer_write(w, c->items + at, len, clock_mono_ms() + patience_ms, diag);
        if (status != STATUS_OK)
            return status;
        at += len;
        *ret_written += len;
    }
    return STATUS_OK;
}

/* The table is held while it is decided: what is borrowed from its rows stays. */
static enum status decide_all(struct topic_table *t, int32_t partition, topic_decide_fn *decide,
                              void *ctx, struct topic_changes *ret, struct diag *diag)
{
    pthread_mutex_lock(&t->lock);
    enum status status = decide(ctx, &t->rows, partition, ret, diag);
    pthread_mutex_unlock(&t->lock);
    return status;
}

static enum status claim(struct topic_table *t, struct fenced_writer *w, int32_t partition,
                         struct diag *diag)
{
    struct diag why = {0};
    enum status status = fenced_writer_claim(w, clock_mono_ms() + patience_ms, &why);
    return judge(w, t, partition, status, &why, diag);
}

enum status topic_table_change(struct topic_table *t, int32_t partition, topic_decide_fn *decide,
                               void *ctx, size_t *ret_written, struct diag *diag)
{
    CLEANUP(fenced_writer_free_scoped) struct fenced_writer *w = NULL;
    CLEANUP(arena_free_scoped) struct arena *arena = arena_new(changes_max_bytes);
    const struct fenced_writer_options opt = {t->cluster, t->topic, partition};
    *ret_written = 0;
    if (arena == NULL)
        return STATUS_NOMEM;
    enum status status = fenced_writer_new(&opt, &w, diag);
    if (status == STATUS_OK)
        status = claim(t, w, partition, diag);
    if (status == STATUS_OK)
        status = refresh(t, partition, diag);
    if (status != STATUS_OK)
        return status;
    struct topic_changes changes = {.arena = arena};
    struct diag why = {0};
    status = decide_all(t, partition, decide, ctx, &changes, diag);
    if (status == STATUS_OK) {
        status = write_all(w, &changes, ret_written, &why);
        status = judge(w, t, partition, status, &why, diag);
    }
    free(changes.items);
    return status;
}
