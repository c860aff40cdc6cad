#include "bridge/app/loop_topic.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/app/memory_pause.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/log_events.h"

/* After so many records the reader waits for the loop. */
#define ON_THEIR_WAY_MAX 1024

struct loop_topic {
    struct loop_topic_options options;
    struct compacted_topic *topic; /* between the start and the stop */
    unsigned on_their_way;         /* the reader's own */

    pthread_mutex_t lock; /* guards what follows */
    bool was_read;        /* to the end of every partition */
    enum status refusal;
    struct diag why;
};

/* --- refusal ---------------------------------------------------------------------------------- */

void loop_topic_refuse(struct loop_topic *t, enum status status, const struct diag *diag)
{
    pthread_mutex_lock(&t->lock);
    bool is_first = t->refusal == STATUS_OK;
    if (is_first && !(t->options.is_needed_once && t->was_read)) {
        t->refusal = status;
        t->why = *diag;
    }
    pthread_mutex_unlock(&t->lock);
    if (is_first)
        LOG(REGISTRY_TOPIC_REFUSED, log_text("topic", t->options.topic),
            log_text("error", diag->text));
}

enum status loop_topic_refusal(struct loop_topic *t, struct diag *diag)
{
    pthread_mutex_lock(&t->lock);
    enum status status = t->refusal;
    if (status != STATUS_OK)
        diag_set(diag, status, "%s", t->why.text);
    pthread_mutex_unlock(&t->lock);
    return status;
}

/* --- records, each a task of its own ---------------------------------------------------------- */

struct relayed {
    struct task task; /* first: take() finds its way back from it */
    struct loop_topic *topic;
    struct compacted_topic_record record; /* points into data */
    uint8_t data[];
};

static void take(struct task *task)
{
    struct relayed *r = (struct relayed *)task;
    const struct compacted_topic_callbacks *callbacks = &r->topic->options.callbacks;
    callbacks->on_record(callbacks->ctx, &r->record);
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

/* Waits while memory is short, for none may be missing. */
static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    struct loop_topic *t = ctx;
    struct relayed *r;
    while ((r = malloc(sizeof(*r) + record->key.len + record->value.len)) == NULL)
        memory_pause();
    r->task = (struct task){.run = take};
    r->topic = t;
    r->record = *record;
    r->record.key = copy(r->data, record->key);
    r->record.value = copy(r->data + record->key.len, record->value);
    task_loop_post(t->options.loop, &r->task);
    if (++t->on_their_way < ON_THEIR_WAY_MAX)
        return;
    task_loop_call(t->options.loop, do_nothing, NULL);
    t->on_their_way = 0;
}

/* --- what is rare, each a call that is waited for --------------------------------------------- */

struct told {
    const struct compacted_topic_callbacks *callbacks;
    int32_t partition; /* or how many there are */
    uint64_t refresh;
};

static void tell_opened(void *ctx)
{
    const struct told *o = ctx;
    o->callbacks->on_opened(o->callbacks->ctx, o->partition);
}

static void on_opened(void *ctx, int32_t partitions)
{
    struct loop_topic *t = ctx;
    struct told o = {&t->options.callbacks, partitions, 0};
    if (o.callbacks->on_opened != NULL)
        task_loop_call(t->options.loop, tell_opened, &o);
}

static void tell_end(void *ctx)
{
    const struct told *o = ctx;
    o->callbacks->on_end(o->callbacks->ctx, o->partition, o->refresh);
}

static void on_end(void *ctx, int32_t partition, uint64_t refresh)
{
    struct loop_topic *t = ctx;
    struct told o = {&t->options.callbacks, partition, refresh};
    if (o.callbacks->on_end != NULL)
        task_loop_call(t->options.loop, tell_end, &o);
}

static void tell_caught_up(void *ctx)
{
    const struct told *o = ctx;
    o->callbacks->on_caught_up(o->callbacks->ctx);
}

static void on_caught_up(void *ctx)
{
    struct loop_topic *t = ctx;
    pthread_mutex_lock(&t->lock);
    t->was_read = true;
    pthread_mutex_unlock(&t->lock);
    struct told o = {&t->options.callbacks, 0, 0};
    if (o.callbacks->on_caught_up != NULL)
        task_loop_call(t->options.loop, tell_caught_up, &o);
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    loop_topic_refuse(ctx, status, diag);
}

uint64_t loop_topic_refresh(struct loop_topic *t, int32_t partition)
{
    return compacted_topic_refresh(t->topic, partition);
}

void loop_topic_reload(struct loop_topic *t)
{
    compacted_topic_reload(t->topic);
}

/* --- life ------------------------------------------------------------------------------------- */

enum status loop_topic_new(const struct loop_topic_options *opt, struct loop_topic **ret)
{
    struct loop_topic *t = calloc(1, sizeof(*t));
    if (t == NULL || pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return STATUS_NOMEM;
    }
    t->options = *opt;
    *ret = t;
    return STATUS_OK;
}

enum status loop_topic_start(struct loop_topic *t, struct diag *diag)
{
    const struct compacted_topic_options opt = {
        .cluster = t->options.cluster,
        .topic = t->options.topic,
        .any_settings = t->options.any_settings,
        .callbacks = {.ctx = t,
                      .on_opened = on_opened,
                      .on_record = on_record,
                      .on_end = on_end,
                      .on_caught_up = on_caught_up,
                      .on_refused = on_refused},
    };
    return compacted_topic_new(&opt, &t->topic, diag);
}

void loop_topic_stop(struct loop_topic *t)
{
    if (t->topic != NULL)
        compacted_topic_free(TAKE(t->topic));
}

void loop_topic_free(struct loop_topic *t)
{
    if (t == NULL)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}
