#include "bridge/app/reconciler_token_topic.h"

#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "bridge/app/record_relay.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* How soon it is tried again to take a record for which there was no memory. */
static const int short_of_memory_ms = 100;

/* An event is a few hundred bytes; what is longer is none of ours. */
static const size_t event_max = 65536;

struct reconciler_token_topic {
    struct reconciler_token_topic_options options;
    struct compacted_topic *topic;
    struct record_relay relay;

    pthread_mutex_t lock; /* guards what follows */
    bool was_read;
    enum status refusal;
    struct diag why;
};

static void json_release(json_t **json)
{
    json_decref(*json);
}

/* --- events, in the loop's thread -------------------------------------------------------------
 */

static bool says(const json_t *event, const char *member, const char *wanted)
{
    const char *text = json_string_value(json_object_get(event, member));
    return text != NULL && strcasecmp(text, wanted) == 0;
}

/* The event of a record, be it its value or, in structured mode, the value's data. */
static const json_t *event_of(const json_t *value)
{
    const json_t *data = json_object_get(value, "data");
    return json_is_object(data) && json_object_get(value, "specversion") != NULL ? data : value;
}

static void take_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_token_topic *t = ctx;
    if (record->value.data == NULL || record->value.len > event_max)
        return;
    CLEANUP(json_release)
    json_t *value = json_loadb((const char *)record->value.data, record->value.len, 0, NULL);
    const json_t *event = event_of(value);
    const char *id = json_string_value(json_object_get(event, "account"));
    if (id == NULL || !account_id_is_valid(id) || !says(event, "resource", "TOKEN") ||
        !says(event, "eventType", "REVOKED"))
        return;
    struct reconciler_account *account;
    while ((account = reconciler_accounts_revoke(t->options.accounts, id,
                                                 record->timestamp_unix_ms)) == NULL)
        poll(NULL, 0, short_of_memory_ms);
    reconciler_passes_wake(t->options.passes, account);
}

/* --- the topic's thread -----------------------------------------------------------------------
 */

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_token_topic *t = ctx;
    record_relay_post(&t->relay, record);
}

static void on_caught_up(void *ctx)
{
    struct reconciler_token_topic *t = ctx;
    pthread_mutex_lock(&t->lock);
    t->was_read = true;
    pthread_mutex_unlock(&t->lock);
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    struct reconciler_token_topic *t = ctx;
    pthread_mutex_lock(&t->lock);
    if (!t->was_read) {
        t->refusal = status;
        t->why = *diag;
    }
    pthread_mutex_unlock(&t->lock);
    LOG(REGISTRY_TOPIC_REFUSED, log_text("topic", t->options.topic), log_text("error", diag->text));
}

/* --- life -------------------------------------------------------------------------------------
 */

enum status reconciler_token_topic_refusal(struct reconciler_token_topic *t, struct diag *diag)
{
    pthread_mutex_lock(&t->lock);
    enum status status = t->refusal;
    if (status != STATUS_OK)
        diag_set(diag, status, "%s", t->why.text);
    pthread_mutex_unlock(&t->lock);
    return status;
}

enum status reconciler_token_topic_new(const struct reconciler_token_topic_options *opt,
                                       struct reconciler_token_topic **ret, struct diag *diag)
{
    struct reconciler_token_topic *t = calloc(1, sizeof(*t));
    if (t == NULL || pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return STATUS_NOMEM;
    }
    t->options = *opt;
    t->relay = (struct record_relay){.loop = opt->loop, .ctx = t, .take = take_record};
    const struct compacted_topic_options options = {
        .cluster = opt->cluster,
        .topic = opt->topic,
        .any_settings = true, /* a topic of events: its records go with time */
        .callbacks = {.ctx = t,
                      .on_record = on_record,
                      .on_caught_up = on_caught_up,
                      .on_refused = on_refused},
    };
    enum status status = compacted_topic_new(&options, &t->topic, diag);
    if (status != STATUS_OK) {
        reconciler_token_topic_free(t);
        return status;
    }
    *ret = t;
    return STATUS_OK;
}

void reconciler_token_topic_stop(struct reconciler_token_topic *t)
{
    compacted_topic_free(TAKE(t->topic));
}

void reconciler_token_topic_free(struct reconciler_token_topic *t)
{
    if (t == NULL)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}
