#include "bridge/app/reconciler_activity_topic.h"

#include <stdlib.h>

#include "bridge/app/loop_topic.h"
#include "bridge/app/memory_pause.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/activity_record.h"

struct reconciler_activity_topic {
    struct loop_topic *topic;
    struct last_events events; /* the loop's */
    bool was_read;             /* likewise: all that was there at the start */
};

/* --- in the loop's thread ------------------------------------------------------------------ */

/* What is no record of ours says nothing. */
static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_activity_topic *t = ctx;
    struct activity_record read;
    enum status status = STATUS_NOMEM;
    if (record->key.data == NULL || record->value.data == NULL)
        return;
    while ((status = activity_record_read(record->value, &read, NULL)) == STATUS_NOMEM)
        memory_pause();
    while (status == STATUS_OK &&
           last_events_note(&t->events, record->key, read.last_at_unix_ms) == STATUS_NOMEM)
        memory_pause();
}

static void on_caught_up(void *ctx)
{
    struct reconciler_activity_topic *t = ctx;
    t->was_read = true;
}

const struct last_events *reconciler_activity_topic_events(struct reconciler_activity_topic *t)
{
    return t->was_read && loop_topic_refusal(t->topic, NULL) == STATUS_OK ? &t->events : NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

enum status reconciler_activity_topic_new(const struct reconciler_activity_topic_options *opt,
                                          struct reconciler_activity_topic **ret, struct diag *diag)
{
    struct reconciler_activity_topic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return STATUS_NOMEM;
    const struct loop_topic_options options = {
        .loop = opt->loop,
        .cluster = opt->cluster,
        .topic = opt->topic,
        .any_settings = opt->any_settings,
        .callbacks = {.ctx = t, .on_record = on_record, .on_caught_up = on_caught_up},
    };
    enum status status = loop_topic_new(&options, &t->topic);
    if (status == STATUS_OK)
        status = loop_topic_start(t->topic, diag);
    if (status != STATUS_OK) {
        reconciler_activity_topic_free(t);
        return status;
    }
    *ret = t;
    return STATUS_OK;
}

void reconciler_activity_topic_reload(struct reconciler_activity_topic *t)
{
    loop_topic_reload(t->topic);
}

void reconciler_activity_topic_stop(struct reconciler_activity_topic *t)
{
    loop_topic_stop(t->topic);
}

void reconciler_activity_topic_free(struct reconciler_activity_topic *t)
{
    if (t == NULL)
        return;
    loop_topic_free(t->topic);
    last_events_done(&t->events);
    free(t);
}
