#include "bridge/app/reconciler_token_topic.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "bridge/app/loop_topic.h"
#include "bridge/app/memory_pause.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"

/* An event is a few hundred bytes; what is longer is none of ours. */
static const size_t event_max = 65536;

struct reconciler_token_topic {
    struct reconciler_token_topic_options options;
    struct loop_topic *topic;
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

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct reconciler_token_topic *t = ctx;
    if (record->value.data == NULL || record->value.len > event_max)
        return;
    CLEANUP(json_release) json_t *value = NULL;
    enum status status;
    while ((status = record_form_parse_any("event", record->value, &value, NULL)) == STATUS_NOMEM)
        memory_pause();
    if (status != STATUS_OK)
        return;
    const json_t *event = event_of(value);
    const char *id = json_string_value(json_object_get(event, "account"));
    if (id == NULL || !account_id_is_valid(id) || !says(event, "resource", "TOKEN") ||
        !says(event, "eventType", "REVOKED"))
        return;
    struct reconciler_account *account;
    while ((account = reconciler_accounts_revoke(t->options.accounts, id,
                                                 record->timestamp_unix_ms)) == NULL)
        memory_pause();
    reconciler_passes_wake(t->options.passes, account);
}

static void on_caught_up(void *ctx)
{
    struct reconciler_token_topic *t = ctx;
    if (t->options.on_known != NULL)
        t->options.on_known(t->options.ctx);
}

/* --- life -------------------------------------------------------------------------------------
 */

enum status reconciler_token_topic_refusal(struct reconciler_token_topic *t, struct diag *diag)
{
    return loop_topic_refusal(t->topic, diag);
}

enum status reconciler_token_topic_new(const struct reconciler_token_topic_options *opt,
                                       struct reconciler_token_topic **ret, struct diag *diag)
{
    struct reconciler_token_topic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return STATUS_NOMEM;
    t->options = *opt;
    const struct loop_topic_options options = {
        .loop = opt->loop,
        .cluster = opt->cluster,
        .topic = opt->topic,
        .any_settings = true, /* a topic of events: its records go with time */
        .is_needed_once = true,
        .callbacks = {.ctx = t, .on_record = on_record, .on_caught_up = on_caught_up},
    };
    enum status status = loop_topic_new(&options, &t->topic);
    if (status == STATUS_OK)
        status = loop_topic_start(t->topic, diag);
    if (status != STATUS_OK) {
        reconciler_token_topic_free(t);
        return status;
    }
    *ret = t;
    return STATUS_OK;
}

void reconciler_token_topic_reload(struct reconciler_token_topic *t)
{
    loop_topic_reload(t->topic);
}

void reconciler_token_topic_stop(struct reconciler_token_topic *t)
{
    loop_topic_stop(t->topic);
}

void reconciler_token_topic_free(struct reconciler_token_topic *t)
{
    if (t == NULL)
        return;
    loop_topic_free(t->topic);
    free(t);
}
