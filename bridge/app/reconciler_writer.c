#include "bridge/app/reconciler_writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/sealed.h"

/* A claim is asked for in slices, so that a partition that is taken away is not claimed for long:
 * that would fence its next owner. */
static const int64_t claim_slice_ms = 800;
static const int64_t claim_pause_ms = 200;

/* How long closing waits for a slice. Source: membership.h wants the work to end within a second.
 */
static const int64_t close_wait_ms = 1000;

/* Longer than a healthy cluster ever takes, shorter than the transaction's own timeout. */
static const int64_t write_timeout_ms = 8000;

/* Records of one transaction; an account has a few dozen. */
#define BATCH_RECORDS_MAX 512

/* One account's changes, sealed. */
struct commit {
    struct task task; /* first: tell_committed() finds its way back from it */
    struct lane *lane;
    struct commit *next;            /* in the lane's queue */
    struct commit *next_open;       /* of the writer's; Thread: the loop's */
    registry_committed_fn *on_done; /* NULL: cancelled; Thread: the loop's */
    void *done_ctx;
    enum status status; /* set by the lane */
    size_t len;
    struct commit_record {
        char key[REGISTRY_KEY_SIZE];
        struct buf value; /* empty: a tombstone */
    } records[];
};

/* Life of a lane, one partition's writer:
 *
 *     claiming ──claim()──► ready ──serve()──► ready
 *         │                   │ the writer is lost
 *         ├───────────────────┴──────────────► lost ──► closing, by the owner
 *         └── reconciler_writer_close(), from any state ──► closing ──lane_main() ends──► gone
 */
struct lane {
    struct task claimed; /* first two: their functions find their way back from them */
    struct task lost;
    struct task gone;
    struct reconciler_writer *writer;
    struct lane *next; /* Thread: the loop's */
    int32_t partition;
    bool is_told; /* on_claimed or on_lost may still be called; Thread: the loop's */
    pthread_t thread;
    struct fenced_writer *fenced; /* the thread's own */
    struct diag why;              /* of the loss; handed over with `lost` */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct commit *first;
    struct commit **last;
    bool is_closing;
    bool is_claiming; /* a slice is under way */
};

struct reconciler_writer {
    struct registry_writer port;
    struct reconciler_writer_options options;
    struct keyring *keyring;
    struct lane *lanes;  /* also those that are closing */
    struct commit *open; /* not told of yet */
};

DEFINE_CLEANUP(struct fenced_writer *, fenced_writer_free)

#define OWNER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* --- commits ----------------------------------------------------------------------------------
 */

static void commit_free(struct commit *commit)
{
    if (commit == NULL)
        return;
    for (size_t i = 0; i < commit->len; i++)
        buf_done(&commit->records[i].value);
    free(commit);
}

DEFINE_CLEANUP(struct commit *, commit_free)

/* In the loop's thread. */
static void tell_committed(struct task *task)
{
    struct commit *commit = OWNER_OF(task, struct commit, task);
    struct commit **at = &commit->lane->writer->open;
    while (*at != commit)
        at = &(*at)->next_open;
    *at = commit->next_open;
    if (commit->on_done != NULL)
        commit->on_done(commit->done_ctx, commit->status);
    commit_free(commit);
}

static void finish(struct lane *lane, struct commit *commit, enum status status)
{
    commit->status = status;
    commit->task.run = tell_committed;
    task_loop_post(lane->writer->options.loop, &commit->task);
}

/* --- the lane's thread ------------------------------------------------------------------------
 */

static void await(struct lane *lane, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&lane->changed, &lane->lock, &until);
}

/* Returns whether the lane is closing, so that no slice may begin. */
static bool begin_slice(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    lane->is_claiming = !lane->is_closing;
    bool may = lane->is_claiming;
    pthread_mutex_unlock(&lane->lock);
    return may;
}

static void end_slice(struct lane *lane, bool pauses)
{
    pthread_mutex_lock(&lane->lock);
    lane->is_claiming = false;
    pthread_cond_broadcast(&lane->changed);
    if (pauses && !lane->is_closing)
        await(lane, claim_pause_ms);
    pthread_mutex_unlock(&lane->lock);
}

/* Returns whether the partition is ours; lane->why says why not. */
static bool claim(struct lane *lane)
{
    const struct reconciler_writer_options *opt = &lane->writer->options;
    const struct fenced_writer_options options = {opt->cluster, opt->topic, lane->partition};
    if (fenced_writer_new(&options, &lane->fenced, &lane->why) != STATUS_OK)
        return false;
    while (begin_slice(lane)) {
        struct diag why = {0};
        enum status status =
            fenced_writer_claim(lane->fenced, clock_mono_ms() + claim_slice_ms, &why);
        bool again =
            status != STATUS_OK && fenced_writer_state(lane->fenced) == FENCED_WRITER_UNCLAIMED;
        end_slice(lane, again);
        if (!again) {
            lane->why = why;
            return status == STATUS_OK;
        }
    }
    return false;
}

/* The commits for one transaction; NULL: the lane is closing. */
static struct commit *take_batch(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    while (lane->first == NULL && !lane->is_closing)
        pthread_cond_wait(&lane->changed, &lane->lock);
    struct commit *batch = lane->is_closing ? NULL : lane->first, **end = &batch;
    for (size_t records = 0; *end != NULL; end = &(*end)->next) {
        records += (*end)->len;
        if (records > BATCH_RECORDS_MAX && end != &batch)
            break;
    }
    if (batch != NULL) {
        lane->first = *end;
        if (lane->first == NULL)
            lane->last = &lane->first;
        *end = NULL;
    }
    pthread_mutex_unlock(&lane->lock);
    return batch;
}

/* What a commit that shared the transaction may be told. */
static enum status committed_status(const struct lane *lane, enum status status)
{
    if (status == STATUS_OK)
        return STATUS_OK;
    return fenced_writer_state(lane->fenced) == FENCED_WRITER_READY ? STATUS_BUSY
                                                                    : STATUS_UNAVAILABLE;
}

static enum status write_batch(struct lane *lane, const struct commit *batch)
{
    size_t len = 0;
    for (const struct commit *c = batch; c != NULL; c = c->next)
        len += c->len;
    struct fenced_writer_record *records = calloc(len + 1, sizeof(*records));
    if (records == NULL)
        return STATUS_NOMEM;
    len = 0;
    for (const struct commit *c = batch; c != NULL; c = c->next) {
        for (size_t i = 0; i < c->len; i++) {
            const struct commit_record *r = &c->records[i];
            records[len++] = (struct fenced_writer_record){
                bytes_of_text(r->key),
                r->value.len == 0 ? bytes_of(NULL, 0) : buf_bytes(&r->value)};
        }
    }
    struct diag why = {0};
    enum status status =
        fenced_writer_write(lane->fenced, records, len, clock_mono_ms() + write_timeout_ms, &why);
    free(records);
    if (status != STATUS_OK && fenced_writer_state(lane->fenced) != FENCED_WRITER_READY)
        lane->why = why;
    return status;
}

/* Writes the batch; where the broker refuses a record for good, each commit by itself, so that only
 * its own account is told. */
static void write_and_finish(struct lane *lane, struct commit *batch)
{
    enum status status = write_batch(lane, batch);
    bool is_split = status == STATUS_INVALID && batch->next != NULL;
    for (struct commit *c = batch, *next; c != NULL; c = next) {
        next = c->next;
        c->next = NULL;
        if (is_split)
            status = write_batch(lane, c);
        finish(lane, c, committed_status(lane, status));
    }
}

/* Nothing of what still waits will be written. */
static void refuse_rest(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    struct commit *rest = lane->first;
    lane->first = NULL;
    lane->last = &lane->first;
    pthread_mutex_unlock(&lane->lock);
    for (struct commit *next; rest != NULL; rest = next) {
        next = rest->next;
        finish(lane, rest, STATUS_UNAVAILABLE);
    }
}

/* Serves until it is closed, or the writer is lost. */
static void serve(struct lane *lane)
{
    task_loop_post(lane->writer->options.loop, &lane->claimed);
    for (struct commit *batch; fenced_writer_state(lane->fenced) == FENCED_WRITER_READY &&
                               (batch = take_batch(lane)) != NULL;)
        write_and_finish(lane, batch);
}

static void await_closing(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    while (!lane->is_closing)
        pthread_cond_wait(&lane->changed, &lane->lock);
    pthread_mutex_unlock(&lane->lock);
}

static void *lane_main(void *ctx)
{
    struct lane *lane = ctx;
    if (claim(lane))
        serve(lane);
    pthread_mutex_lock(&lane->lock);
    bool is_lost = !lane->is_closing;
    pthread_mutex_unlock(&lane->lock);
    if (is_lost)
        task_loop_post(lane->writer->options.loop, &lane->lost);
    await_closing(lane);
    refuse_rest(lane);
    fenced_writer_free(TAKE(lane->fenced));
    task_loop_post(lane->writer->options.loop, &lane->gone);
    return NULL;
}

/* --- the lane, in the loop's thread -----------------------------------------------------------
 */

static void lane_free(struct lane *lane)
{
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

static void tell_claimed(struct task *task)
{
    struct lane *lane = OWNER_OF(task, struct lane, claimed);
    const struct reconciler_writer_options *opt = &lane->writer->options;
    if (lane->is_told)
        opt->on_claimed(opt->ctx, lane->partition);
}

static void tell_lost(struct task *task)
{
    struct lane *lane = OWNER_OF(task, struct lane, lost);
    const struct reconciler_writer_options *opt = &lane->writer->options;
    if (lane->is_told)
        opt->on_lost(opt->ctx, lane->partition, &lane->why);
}

static void end_gone(struct task *task)
{
    struct lane *lane = OWNER_OF(task, struct lane, gone);
    struct lane **at = &lane->writer->lanes;
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    pthread_join(lane->thread, NULL);
    lane_free(lane);
}

static struct lane *find_lane(const struct reconciler_writer *w, int32_t partition)
{
    for (struct lane *lane = w->lanes; lane != NULL; lane = lane->next)
        if (lane->partition == partition && lane->is_told)
            return lane;
    return NULL;
}

static bool init_lock(struct lane *lane)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool is_made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(&lane->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return is_made && pthread_mutex_init(&lane->lock, NULL) == 0;
}

enum status reconciler_writer_open(struct reconciler_writer *w, int32_t partition)
{
    assert(find_lane(w, partition) == NULL);
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL || !init_lock(lane)) {
        free(lane);
        return STATUS_NOMEM;
    }
    lane->claimed.run = tell_claimed;
    lane->lost.run = tell_lost;
    lane->gone.run = end_gone;
    lane->writer = w;
    lane->partition = partition;
    lane->is_told = true;
    lane->last = &lane->first;
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
        lane_free(lane);
        return STATUS_NOMEM;
    }
    lane->next = w->lanes;
    w->lanes = lane;
    return STATUS_OK;
}

void reconciler_writer_close(struct reconciler_writer *w, int32_t partition)
{
    struct lane *lane = find_lane(w, partition);
    if (lane == NULL)
        return;
    lane->is_told = false;
    int64_t until_mono_ms = clock_mono_ms() + close_wait_ms;
    pthread_mutex_lock(&lane->lock);
    lane->is_closing = true;
    pthread_cond_broadcast(&lane->changed);
    for (int64_t left_ms; lane->is_claiming && (left_ms = until_mono_ms - clock_mono_ms()) > 0;)
        await(lane, left_ms);
    pthread_mutex_unlock(&lane->lock);
}

/* --- the port ---------------------------------------------------------------------------------
 */

static enum status seal(struct reconciler_writer *w, const struct registry_change *change,
                        struct commit_record *ret)
{
    if (change->route != NULL)
        callback_url_key(&change->route->url, ret->key);
    else
        registry_key_of_account(change->account->account, ret->key);
    buf_init(&ret->value, SEALED_MAX);
    if (change->is_tombstone)
        return STATUS_OK;
    struct buf json;
    buf_init(&json, SEALED_PLAINTEXT_MAX);
    enum status status = buf_reserve(&json, 4096); /* most are shorter: no copies by growing */
    if (status == STATUS_OK)
        status = change->route != NULL ? route_record_write(change->route, &json)
                                       : account_record_write(change->account, &json);
    if (status == STATUS_OK)
        status = sealed_seal(w->keyring, w->options.topic, bytes_of_text(ret->key),
                             buf_bytes(&json), &ret->value);
    buf_wipe_done(&json);
    return status;
}

static void enqueue_take(struct lane *lane, struct commit *commit)
{
    pthread_mutex_lock(&lane->lock);
    *lane->last = commit;
    lane->last = &commit->next;
    pthread_cond_broadcast(&lane->changed);
    pthread_mutex_unlock(&lane->lock);
}

/* An error here is BUSY to the pass: nothing was written. */
static enum status commit(void *ctx, const char *account, const struct registry_change changes[],
                          size_t len, registry_committed_fn *on_done, void *done_ctx)
{
    struct reconciler_writer *w = ctx;
    struct lane *lane = find_lane(w, w->options.partition_of(w->options.ctx, account));
    CLEANUP(commit_free_scoped)
    struct commit *c = calloc(1, sizeof(*c) + len * sizeof(c->records[0]));
    if (lane == NULL || c == NULL)
        return STATUS_BUSY;
    for (; c->len < len; c->len++) {
        if (seal(w, &changes[c->len], &c->records[c->len]) != STATUS_OK) {
            buf_done(&c->records[c->len].value);
            return STATUS_BUSY;
        }
    }
    c->lane = lane;
    c->on_done = on_done;
    c->done_ctx = done_ctx;
    c->next_open = w->open;
    w->open = c;
    enqueue_take(lane, TAKE(c));
    return STATUS_OK;
}

static void cancel(void *ctx, void *done_ctx)
{
    struct reconciler_writer *w = ctx;
    for (struct commit *c = w->open; c != NULL; c = c->next_open)
        if (c->done_ctx == done_ctx)
            c->on_done = NULL;
}

static bool may_act(void *ctx, const char *account)
{
    struct reconciler_writer *w = ctx;
    return w->options.may_act(w->options.ctx, account);
}

const struct registry_writer *reconciler_writer_port(struct reconciler_writer *w)
{
    return &w->port;
}

void reconciler_writer_set_keyring(struct reconciler_writer *w, const struct keyring *keyring)
{
    keyring_unref(w->keyring);
    w->keyring = keyring_ref(keyring);
}

enum status reconciler_writer_new(const struct reconciler_writer_options *opt,
                                  const struct keyring *keyring, struct reconciler_writer **ret)
{
    struct reconciler_writer *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return STATUS_NOMEM;
    w->port =
        (struct registry_writer){.ctx = w, .may_act = may_act, .commit = commit, .cancel = cancel};
    w->options = *opt;
    w->keyring = keyring_ref(keyring);
    *ret = w;
    return STATUS_OK;
}

void reconciler_writer_free(struct reconciler_writer *w)
{
    if (w == NULL)
        return;
    for (struct lane *lane = w->lanes; lane != NULL; lane = lane->next) {
        assert(!lane->is_told);
        pthread_join(lane->thread, NULL);
    }
    /* Only now: the last task of one may be queued in the loop behind another one's. */
    for (struct lane *lane = w->lanes, *next; lane != NULL; lane = next) {
        next = lane->next;
        lane_free(lane);
    }
    for (struct commit *c = w->open, *next; c != NULL; c = next) {
        next = c->next_open;
        commit_free(c);
    }
    keyring_unref(w->keyring);
    free(w);
}
