#include "bridge/app/registry_feed.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/app/memory_pause.h"
#include "bridge/app/registry_snapshot.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/domain/registry.h"
#include "bridge/registry/route_reader.h"
#include "bridge/registry/sealed.h"

struct registry_feed {
    struct registry_feed_options options; /* its cluster is the caller's until start */
    struct route_index *index;
    struct route_reader *reader;
    struct compacted_topic *topic;      /* NULL before the start */
    struct registry_snapshot *snapshot; /* NULL: none is kept, or before the start */
    struct registry *changed;
    struct gauge *loaded;
    struct gauge *entries;
    struct gauge *unreadable;
    int64_t started_at_mono_ms;
    int32_t partitions; /* Thread: the topic's, these two */
    bool is_caught_up;
    atomic_bool stopping;

    pthread_mutex_t lock; /* guards what follows */
    bool is_loaded;
    bool has_snapshot; /* of which routes are served until it is loaded */
    enum status refusal;
    struct diag why;
};

DEFINE_CLEANUP(struct keyring *, keyring_unref)

/* --- what the topic tells; in its thread --------------------------------------------------- */

/* Once loaded, what is known stays in force: routes that work are better than none. */
static void refuse(struct registry_feed *f, enum status status, const struct diag *diag)
{
    pthread_mutex_lock(&f->lock);
    bool is_first = f->refusal == STATUS_OK;
    if (is_first) {
        f->refusal = status;
        f->why = *diag;
    }
    pthread_mutex_unlock(&f->lock);
    if (!is_first)
        return;
    gauge_set(f->loaded, 0);
    LOG(REGISTRY_TOPIC_REFUSED, log_text("topic", f->options.topic), log_text("error", diag->text));
}

static void on_opened(void *ctx, int32_t partitions)
{
    struct registry_feed *f = ctx;
    f->partitions = partitions;
}

static enum route_reading
read_record(struct registry_feed *f, const struct compacted_topic_record *record, struct diag *diag)
{
    for (;;) {
        enum route_reading reading = route_reader_take(f->reader, record->partition, f->partitions,
                                                       record->key, record->value, diag);
        if (reading != ROUTE_READING_NOMEM || atomic_load(&f->stopping))
            return reading;
        memory_pause();
    }
}

static void note_change(struct registry_feed *f)
{
    if (f->snapshot != NULL)
        registry_snapshot_note_change(f->snapshot);
}

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct registry_feed *f = ctx;
    struct diag diag = {0};
    switch (read_record(f, record, &diag)) {
    case ROUTE_READING_NOMEM:
    case ROUTE_READING_IGNORED:
        return;
    case ROUTE_READING_MISPLACED:
        refuse(f, STATUS_INVALID, &diag);
        return;
    case ROUTE_READING_UNREADABLE:
        LOG(REGISTRY_RECORD_REFUSED, log_bytes("key", record->key),
            log_number("partition", record->partition), log_number("offset", record->offset),
            log_bytes("sealed_under", sealed_key_name(record->value)),
            log_text("error", diag.text));
        break;
    case ROUTE_READING_APPLIED:
        break;
    }
    registry_changed(f->changed);
    if (f->is_caught_up)
        note_change(f);
}

static void on_caught_up(void *ctx)
{
    struct registry_feed *f = ctx;
    pthread_mutex_lock(&f->lock);
    bool refused = f->refusal != STATUS_OK;
    f->is_loaded = !refused;
    pthread_mutex_unlock(&f->lock);
    if (refused)
        return;
    f->is_caught_up = true;
    note_change(f);
    route_index_set_caught_up(f->index);
    registry_changed(f->changed);
    gauge_set(f->loaded, 1);
    struct route_index_counts counts = route_index_count(f->index);
    malloc_trim(0); /* what was fetched at once is several times what is kept */
    LOG(REGISTRY_LOADED, log_text("topic", f->options.topic),
        log_number("routes", (int64_t)counts.routes),
        log_number("unreadable", (int64_t)counts.disabled),
        log_number("duration_ms", clock_mono_ms() - f->started_at_mono_ms));
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    refuse(ctx, status, diag);
}

/* --- what is asked of it ------------------------------------------------------------------- */

static void set_gauges(void *ctx)
{
    struct registry_feed *f = ctx;
    struct route_index_counts counts = route_index_count(f->index);
    gauge_set(f->entries, (double)counts.routes);
    gauge_set(f->unreadable, (double)counts.disabled);
}

struct route_index *registry_feed_index(struct registry_feed *f)
{
    return f->index;
}

bool registry_feed_is_loaded(struct registry_feed *f, struct diag *diag)
{
    pthread_mutex_lock(&f->lock);
    bool is_loaded = f->is_loaded || f->has_snapshot;
    if (!is_loaded && f->refusal != STATUS_OK)
        diag_set(diag, f->refusal, "%s", f->why.text);
    pthread_mutex_unlock(&f->lock);
    if (!is_loaded)
        diag_set(diag, STATUS_UNAVAILABLE, "topic %s was not read to its end yet",
                 f->options.topic);
    return is_loaded;
}

enum status registry_feed_refusal(struct registry_feed *f, struct diag *diag)
{
    pthread_mutex_lock(&f->lock);
    enum status status = f->refusal;
    if (status != STATUS_OK)
        diag_set(diag, status, "%s", f->why.text);
    pthread_mutex_unlock(&f->lock);
    return status;
}

enum status registry_feed_reload(struct registry_feed *f, struct diag *diag)
{
    CLEANUP(keyring_unref_scoped) struct keyring *keyring = NULL;
    CLEANUP(keyring_unref_scoped) struct keyring *route_keys = NULL;
    enum status status = keyring_from_file(f->options.keyring_file, &keyring, diag);
    if (status == STATUS_OK)
        status = keyring_from_file(f->options.route_key_file, &route_keys, diag);
    if (status != STATUS_OK)
        return status;
    route_index_set_keys(f->index, route_keys);
    (void)route_reader_set_keyring(f->reader, keyring);
    registry_changed(f->changed);
    compacted_topic_reload(f->topic);
    return STATUS_OK;
}

/* --- the snapshot --------------------------------------------------------------------------- */

static enum status load_snapshot(struct registry_feed *f, const struct keyring *route_keys,
                                 const struct keyring *keyring)
{
    struct route_index *former = NULL;
    int64_t written_at_unix_ms = 0, started = clock_mono_ms();
    struct diag diag = {0};
    enum status status =
        registry_snapshot_load(f->options.snapshot, f->options.providers, route_keys, keyring,
                               &former, &written_at_unix_ms, &diag);
    if (status == STATUS_INVALID)
        LOG(REGISTRY_SNAPSHOT_REFUSED, log_text("error", diag.text));
    if (status != STATUS_OK)
        return status == STATUS_NOMEM ? status : STATUS_OK; /* the topic will be read */
    struct route_index_counts counts = route_index_count(former);
    route_index_set_former_take(f->index, former);
    f->has_snapshot = true;
    LOG(REGISTRY_SNAPSHOT_LOADED, log_number("routes", (int64_t)counts.routes),
        log_number("unreadable", (int64_t)counts.disabled),
        log_number("age_ms", clock_unix_ms() - written_at_unix_ms),
        log_number("duration_ms", clock_mono_ms() - started));
    return STATUS_OK;
}

/* --- life ---------------------------------------------------------------------------------- */

static enum status make_parts(struct registry_feed *f, struct diag *diag)
{
    CLEANUP(keyring_unref_scoped) struct keyring *keyring = NULL;
    CLEANUP(keyring_unref_scoped) struct keyring *route_keys = NULL;
    enum status status = keyring_from_file(f->options.keyring_file, &keyring, diag);
    if (status == STATUS_OK)
        status = keyring_from_file(f->options.route_key_file, &route_keys, diag);
    if (status == STATUS_OK)
        status = route_index_new(f->options.providers, route_keys, &f->index);
    if (status == STATUS_OK)
        status = route_reader_new(f->index, f->options.topic, keyring, &f->reader);
    if (status == STATUS_OK && f->options.snapshot != NULL)
        status = load_snapshot(f, route_keys, keyring);
    return status;
}

static void make_metrics(struct registry_feed *f)
{
    struct metrics *m = f->options.metrics;
    f->loaded =
        metrics_gauge(m, "maesn_bridge_registry_loaded",
                      "Whether the registry topic was read to its end and is followed.", NULL, 0);
    f->entries = metrics_gauge(m, "maesn_bridge_registry_entries",
                               "Routes that the registry topic holds.", NULL, 0);
    f->unreadable =
        metrics_gauge(m, "maesn_bridge_registry_entries_unreadable",
                      "Routes whose record cannot be read, so that they answer 503.", NULL, 0);
    metrics_on_scrape(m, set_gauges, f);
}

enum status registry_feed_new(const struct registry_feed_options *opt, struct registry_feed **ret,
                              struct diag *diag)
{
    struct registry_feed *f = calloc(1, sizeof(*f));
    if (f == NULL || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f);
        return STATUS_NOMEM;
    }
    f->options = *opt;
    enum status status = make_parts(f, diag);
    if (status != STATUS_OK) {
        registry_feed_free(f);
        return status;
    }
    make_metrics(f);
    *ret = f;
    return STATUS_OK;
}

enum status registry_feed_start(struct registry_feed *f, struct registry *changed,
                                struct diag *diag)
{
    const struct compacted_topic_options opt = {
        .cluster = f->options.cluster,
        .topic = f->options.topic,
        .any_settings = f->options.any_settings,
        .callbacks = {.ctx = f,
                      .on_opened = on_opened,
                      .on_record = on_record,
                      .on_caught_up = on_caught_up,
                      .on_refused = on_refused},
    };
    f->changed = changed;
    f->started_at_mono_ms = clock_mono_ms();
    enum status status = STATUS_OK;
    if (f->options.snapshot != NULL)
        status = registry_snapshot_new(f->options.snapshot, &f->snapshot);
    if (status == STATUS_OK)
        status = compacted_topic_new(&opt, &f->topic, diag);
    f->options.cluster = NULL; /* the caller's, no longer needed */
    return status;
}

void registry_feed_stop(struct registry_feed *f)
{
    atomic_store(&f->stopping, true);
    if (f->topic != NULL)
        compacted_topic_free(TAKE(f->topic));
    registry_snapshot_free(TAKE(f->snapshot)); /* after the topic, which tells it of changes */
}

void registry_feed_free(struct registry_feed *f)
{
    if (f == NULL)
        return;
    route_reader_free(f->reader);
    route_index_free(f->index);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
