#include "bridge/app/record_relay.h"

#include <poll.h>
#include <stdlib.h>

/* After so many records the reader waits for the loop. */
#define ON_THEIR_WAY_MAX 1024

/* How soon it is tried again to copy a record for which there was no memory. */
static const int short_of_memory_ms = 100;

struct relayed {
    struct task task; /* first: take() finds its way back from it */
    struct record_relay *relay;
    struct compacted_topic_record record; /* points into data */
    uint8_t data[];
};

static void take(struct task *task)
{
    struct relayed *r = (struct relayed *)task;
    r->relay->take(r->relay->ctx, &r->record);
    free(r);
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

/* A copy at `at`; none of none. */
static struct bytes copy(uint8_t *at, struct bytes from)
{
    if (from.len > 0)
        memcpy(at, from.data, from.len);
    return from.data == NULL ? from : bytes_of(at, from.len);
}

void record_relay_post(struct record_relay *relay, const struct compacted_topic_record *record)
{
    struct relayed *r;
    while ((r = malloc(sizeof(*r) + record->key.len + record->value.len)) == NULL)
        poll(NULL, 0, short_of_memory_ms);
    r->task = (struct task){.run = take};
    r->relay = relay;
    r->record = *record;
    r->record.key = copy(r->data, record->key);
    r->record.value = copy(r->data + record->key.len, record->value);
    task_loop_post(relay->loop, &r->task);
    if (++relay->on_their_way < ON_THEIR_WAY_MAX)
        return;
    task_loop_call(relay->loop, do_nothing, NULL);
    relay->on_their_way = 0;
}
