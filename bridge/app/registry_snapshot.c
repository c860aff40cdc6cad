#include "bridge/app/registry_snapshot.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/app/cluster_settings.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/topic_reader.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/route_index.h"
#include "bridge/registry/route_reader.h"
#include "bridge/registry/snapshot.h"
#include "bridge/settings/settings.h"

/* After a change, for those that come with it: a reconciler writes a route in several steps. */
static const int64_t quiet_ms = 1000;

/* Between two writings at least: this, and so many times what the last one took. */
static const int64_t pause_min_ms = 10000;
static const int64_t pause_factor = 100;

/* How long nothing may come of the topic. It bounds registry_snapshot_free(), too. */
static const int64_t patience_ms = 2000;

#define PATH_SIZE 4096

struct registry_snapshot {
    const struct settings *settings;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_dirty;
    bool is_stopping;
};

DEFINE_CLEANUP(struct route_index *, route_index_free)
DEFINE_CLEANUP(struct route_reader *, route_reader_free)
DEFINE_CLEANUP(struct snapshot_writer *, snapshot_writer_free)
DEFINE_CLEANUP(struct topic_reader *, topic_reader_free)

static enum status write_path(const struct settings *s, char ret[PATH_SIZE], struct diag *diag)
{
    int len = snprintf(ret, PATH_SIZE, "%s/%s", s->spool_directory, REGISTRY_SNAPSHOT_FILE);
    return len < PATH_SIZE ? STATUS_OK
                           : diag_set(diag, STATUS_UNAVAILABLE, "spool.directory: too long");
}

/* --- reading -------------------------------------------------------------------------------- */

/* An unreadable record disables its route, as one of the topic does. */
static enum status take_record(void *ctx, const struct snapshot_record *record)
{
    enum route_reading reading = route_reader_take(ctx, record->partition, record->partitions,
                                                   record->key, record->value, NULL);
    return reading == ROUTE_READING_NOMEM ? STATUS_NOMEM : STATUS_OK;
}

enum status registry_snapshot_load(const struct settings *s,
                                   const struct provider *const providers[],
                                   const struct keyring *route_keys, const struct keyring *keyring,
                                   struct route_index **ret, int64_t *ret_written_at_unix_ms,
                                   struct diag *diag)
{
    CLEANUP(route_index_free_scoped) struct route_index *index = NULL;
    CLEANUP(route_reader_free_scoped) struct route_reader *reader = NULL;
    char path[PATH_SIZE];
    enum status status = write_path(s, path, diag);
    if (status == STATUS_OK)
        status = route_index_new(providers, route_keys, &index);
    if (status == STATUS_OK)
        status = route_reader_new(index, s->topics_registry, keyring, &reader);
    if (status == STATUS_OK)
        status = snapshot_read(path, s->topics_registry, take_record, reader,
                               ret_written_at_unix_ms, diag);
    if (status != STATUS_OK)
        return status;
    route_index_set_caught_up(index);
    *ret = TAKE(index);
    return STATUS_OK;
}

/* --- writing -------------------------------------------------------------------------------- */

static bool is_stopping(struct registry_snapshot *x)
{
    pthread_mutex_lock(&x->lock);
    bool stopping = x->is_stopping;
    pthread_mutex_unlock(&x->lock);
    return stopping;
}

/* Copies the routes' records, those that are superseded too: the latest comes last. */
static enum status copy_records(struct registry_snapshot *x, struct topic_reader *reader,
                                struct snapshot_writer *writer, struct diag *diag)
{
    for (;;) {
        const struct topic_reader_record *rec = NULL;
        enum status status = topic_reader_next(reader, clock_mono_ms() + patience_ms, &rec, diag);
        if (is_stopping(x))
            return diag_set(diag, STATUS_UNAVAILABLE, "the process is stopping");
        if (status == STATUS_BUSY)
            return diag_set(diag, STATUS_UNAVAILABLE, "the brokers do not answer");
        if (status != STATUS_OK || rec == NULL)
            return status;
        struct bytes key = rec->record.key;
        if (key.data == NULL || registry_key_read(key).kind != REGISTRY_KEY_ROUTE)
            continue;
        status = snapshot_writer_add(writer, rec->partition, key, rec->record.value, diag);
        if (status != STATUS_OK)
            return status;
    }
}

static enum status write_snapshot(struct registry_snapshot *x, struct diag *diag)
{
    CLEANUP(cluster_settings_done) struct cluster_settings cluster = {.raw = NULL};
    CLEANUP(topic_reader_free_scoped) struct topic_reader *reader = NULL;
    CLEANUP(snapshot_writer_free_scoped) struct snapshot_writer *writer = NULL;
    const char *topic = x->settings->topics_registry;
    char path[PATH_SIZE];
    int64_t now_unix_ms = clock_unix_ms();
    enum status status = write_path(x->settings, path, diag);
    if (status == STATUS_OK)
        status = cluster_settings_init(&cluster, x->settings);
    if (status == STATUS_OK)
        status =
            topic_reader_new(&cluster.cluster, topic, clock_mono_ms() + patience_ms, &reader, diag);
    if (status == STATUS_OK)
        status = snapshot_writer_new(path, topic, topic_reader_partitions(reader), now_unix_ms,
                                     &writer, diag);
    if (status == STATUS_OK)
        status = copy_records(x, reader, writer, diag);
    return status == STATUS_OK ? snapshot_writer_commit(writer, diag) : status;
}

/* Waits so long, less when it is to stop. */
static void pause_for(struct registry_snapshot *x, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&x->lock);
    int err = 0;
    while (!x->is_stopping && err == 0)
        err = pthread_cond_timedwait(&x->changed, &x->lock, &until);
    pthread_mutex_unlock(&x->lock);
}

/* Whether there is something to write; false when it is to stop. */
static bool await_change(struct registry_snapshot *x)
{
    pthread_mutex_lock(&x->lock);
    while (!x->is_dirty && !x->is_stopping)
        pthread_cond_wait(&x->changed, &x->lock);
    bool goes_on = !x->is_stopping;
    pthread_mutex_unlock(&x->lock);
    return goes_on;
}

static void set_dirty(struct registry_snapshot *x, bool is_dirty)
{
    pthread_mutex_lock(&x->lock);
    x->is_dirty = is_dirty;
    pthread_mutex_unlock(&x->lock);
}

static void *keeper_main(void *ctx)
{
    struct registry_snapshot *x = ctx;
    while (await_change(x)) {
        pause_for(x, quiet_ms);
        if (is_stopping(x))
            break;
        struct diag diag = {0};
        int64_t started = clock_mono_ms();
        set_dirty(x, false); /* what changes from here on is for the next one */
        enum status status = write_snapshot(x, &diag);
        int64_t pause_ms = (clock_mono_ms() - started) * pause_factor;
        if (status != STATUS_OK) {
            set_dirty(x, true);
            pause_ms = 0;
        }
        if (status != STATUS_OK && !is_stopping(x))
            LOG(REGISTRY_SNAPSHOT_FAILED,
                log_text("error", diag.text[0] == '\0' ? status_name(status) : diag.text));
        pause_for(x, pause_ms < pause_min_ms ? pause_min_ms : pause_ms);
    }
    return NULL;
}

static enum status init_lock(struct registry_snapshot *x)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return STATUS_NOMEM;
    int err = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (err == 0)
        err = pthread_cond_init(&x->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (err != 0)
        return STATUS_NOMEM;
    err = pthread_mutex_init(&x->lock, NULL);
    if (err != 0)
        pthread_cond_destroy(&x->changed);
    return err == 0 ? STATUS_OK : STATUS_NOMEM;
}

static void destroy_lock(struct registry_snapshot *x)
{
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
}

enum status registry_snapshot_new(const struct settings *s, struct registry_snapshot **ret)
{
    struct registry_snapshot *x = calloc(1, sizeof(*x));
    if (x == NULL || init_lock(x) != STATUS_OK) {
        free(x);
        return STATUS_NOMEM;
    }
    x->settings = s;
    if (pthread_create(&x->thread, NULL, keeper_main, x) != 0) {
        destroy_lock(x);
        free(x);
        return STATUS_NOMEM;
    }
    *ret = x;
    return STATUS_OK;
}

void registry_snapshot_note_change(struct registry_snapshot *x)
{
    pthread_mutex_lock(&x->lock);
    x->is_dirty = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

void registry_snapshot_free(struct registry_snapshot *x)
{
    if (x == NULL)
        return;
    pthread_mutex_lock(&x->lock);
    x->is_stopping = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->thread, NULL);
    destroy_lock(x);
    free(x);
}
