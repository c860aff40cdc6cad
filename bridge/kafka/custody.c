#include "bridge/kafka/custody.h"

#include <stdlib.h>

#include "bridge/kafka/topic_map.h"

struct custody *custody_new(struct publication *pub)
{
    struct custody *custody =
        calloc(1, sizeof *custody + pub->records_len * sizeof custody->messages[0]);
    if (custody == NULL)
        return NULL;
    custody->pub = publication_ref(pub);
    atomic_init(&custody->pending, pub->records_len + 1);
    atomic_init(&custody->failed, false);
    atomic_init(&custody->refused, false);
    custody->messages_len = pub->records_len;
    for (size_t i = 0; i < pub->records_len; i++) {
        custody->messages[i].custody = custody;
        custody->messages[i].record = &pub->records[i];
    }
    return custody;
}

static void custody_free(struct custody *custody)
{
    for (size_t i = 0; i < custody->messages_len; i++)
        arena_free(custody->messages[i].dead_letter_arena);
    publication_unref(custody->pub);
    free(custody);
}

void custody_cancel(struct custody *custody)
{
    custody_free(custody);
}

/* What was durable for nobody comes again: its sender was answered 503, or the spool has it too. */
static void count_durable(const struct custody *custody, bool is_told)
{
    for (size_t i = 0; i < custody->messages_len; i++) {
        const struct message *m = &custody->messages[i];
        if (m->is_durable)
            counter_add(m->topic->results[is_told ? TOPIC_ACKED : TOPIC_AMBIGUOUS], 1);
    }
}

static void count_down(struct custody *custody)
{
    if (atomic_fetch_sub(&custody->pending, 1) != 1)
        return;
    enum status status = atomic_load(&custody->refused)  ? STATUS_REFUSED
                         : atomic_load(&custody->failed) ? STATUS_UNAVAILABLE
                                                         : STATUS_OK;
    bool was_waited_for = custody->pub->on_done(custody->pub, status);
    count_durable(custody, status == STATUS_OK && was_waited_for);
    custody_free(custody);
}

void custody_finish(struct message *m, enum status status)
{
    if (status == STATUS_OK || m->ambiguous)
        atomic_fetch_add(&m->custody->pub->maybe_durable, 1);
    m->is_durable = status == STATUS_OK;
    if (!m->is_durable) {
        counter_add(m->topic->results[m->ambiguous ? TOPIC_AMBIGUOUS : TOPIC_FAILED], 1);
        atomic_store(&m->custody->failed, true);
    }
    if (status == STATUS_REFUSED)
        atomic_store(&m->custody->refused, true);
    count_down(m->custody);
}

void custody_finish_publisher(struct custody *custody)
{
    count_down(custody);
}
