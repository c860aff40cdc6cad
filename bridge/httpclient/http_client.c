/* The client's thread, its inbox, and the life of a call:
 *
 *            http_client_submit()       start_calls()            finish()
 *     caller ──────► inbox ──► waiting ──────────────► under way ────────► done
 *                              ▲   │                      │
 *                              │   │ expire_calls(),      │ GET, failed, in time: finish()
 *                              │   │ cancel_owner(),      │
 *                              │   ▼ end_all_waiting()    │
 *                              │  done                    │
 *                              └──────────────────────────┘
 *
 * 1. A call is in the inbox, or in `calls`; in the latter it waits in the queue, or has a transfer.
 * 2. on_done is called by call_done() only, without the lock, and the call is gone afterwards.
 * 3. While an owner's cancellation is listed, nothing of that owner gets into the inbox.
 */
#include "bridge/httpclient/http_client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/httpclient/base_url.h"
#include "bridge/httpclient/call_queue.h"
#include "bridge/httpclient/transfer.h"

/* The longest wait without a look at the clock. */
#define TURN_MAX_MS 1000

/* On the stack of the one who waits for it. */
struct cancellation {
    TAILQ_ENTRY(cancellation) listed;
    uint64_t owner;
    bool is_done;
};

TAILQ_HEAD(cancellation_list, cancellation);

struct http_client {
    struct http_client_options opt; /* its texts are the client's own copies */
    struct http_base *bases;
    pthread_t thread;
    bool has_thread;

    /* the thread's */
    CURLM *multi;
    struct call_queue *queue;
    struct call_list calls;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t cancelled;
    struct call_list inbox;
    struct cancellation_list cancellations;
    size_t calls_len; /* submitted and not yet done */
    bool is_draining;
    bool is_stopping;
};

/* --- the thread ---------------------------------------------------------------------------------
 */

/* Takes the call, which is nowhere else any more. */
static void call_done(struct http_client *c, struct call *call, struct http_answer *answer)
{
    answer->attempts = call->attempts;
    answer->retry_at_mono_ms = call_queue_held_until(c->queue, call, clock_mono_ms());
    pthread_mutex_lock(&c->lock);
    c->calls_len--; /* first, so that on_done can submit the next one */
    pthread_mutex_unlock(&c->lock);
    call->on_done(call->ctx, answer);
    TAILQ_REMOVE(&c->calls, call, listed);
    transfer_free(call->transfer);
    call_free(call);
}

/* The end of a call that waits. What earlier attempts of a GET did is known no better than that. */
static void call_done_waiting(struct http_client *c, struct call *call, const char *why)
{
    char error[sizeof(call->error) + 64];
    snprintf(error, sizeof(error), "%s%s%s", why,
             call->error[0] == '\0' ? "" : "; before: ", call->error);
    struct http_answer answer = {.outcome = call->attempts == 0 ? HTTP_NOT_SENT : HTTP_UNANSWERED,
                                 .error = error};
    call_done(c, call, &answer);
}

/* An attempt has ended: tells so, then the call waits again or is done. */
static void finish(struct http_client *c, struct call *call, struct transfer_end *end,
                   bool may_repeat)
{
    struct http_answer *answer = &end->answer;
    struct call_end queue_end = {.arrivals = end->arrivals,
                                 .failed = end->failed,
                                 .may_repeat = may_repeat && end->failed && !end->is_lasting,
                                 .is_throttled = end->is_throttled,
                                 .retry_after_ms = end->retry_after_ms};
    if (crypto_random((uint8_t *)&queue_end.chance, sizeof(queue_end.chance)) != STATUS_OK)
        queue_end.chance = UINT32_MAX;
    call->attempts += end->arrivals;
    if (c->opt.on_attempt != NULL) {
        const struct http_attempt attempt = {.base = call->base,
                                             .method = call->method,
                                             .outcome = answer->outcome,
                                             .code = answer->code,
                                             .duration_ms = end->duration_ms};
        c->opt.on_attempt(c->opt.ctx, &attempt);
    }
    if (!call_queue_end(c->queue, call, &queue_end, clock_mono_ms())) {
        call_done(c, call, answer);
        return;
    }
    if (answer->outcome == HTTP_ANSWERED)
        snprintf(call->error, sizeof(call->error), "answered %u", answer->code);
    else
        snprintf(call->error, sizeof(call->error), "%s", answer->error);
    transfer_free(call->transfer);
    call->transfer = NULL;
}

static void finish_transfers(struct http_client *c)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct transfer *t = transfer_of(message->easy_handle);
        struct call *call = (struct call *)transfer_call(t);
        struct transfer_end end;
        assert(message->msg == CURLMSG_DONE && call->transfer == t);
        transfer_end(t, message->data.result, &end);
        finish(c, call, &end, call->method == HTTP_GET);
    }
}

static void start_calls(struct http_client *c, int64_t now)
{
    struct call *call;
    while ((call = call_queue_start(c->queue, now)) != NULL) {
        enum status status = transfer_new(c->multi, &c->opt, call, &call->transfer);
        if (status == STATUS_OK)
            continue;
        struct transfer_end end = {.failed = true, .retry_after_ms = -1};
        end.answer.outcome = HTTP_NOT_SENT;
        end.answer.error = status == STATUS_NOMEM ? "out of memory"
                                                  : "this libcurl lacks an option that is needed";
        finish(c, call, &end, false);
    }
}

static void expire_calls(struct http_client *c, int64_t now)
{
    struct call *call;
    while ((call = call_queue_expired(c->queue, now)) != NULL) {
        call_queue_remove(c->queue, call, now);
        call_done_waiting(c, call, "the limits let it not begin in time");
    }
}

static void end_waiting(struct http_client *c, struct call *call, const char *why)
{
    call_queue_remove(c->queue, call, clock_mono_ms());
    call_done_waiting(c, call, why);
}

static void cancel_call(struct http_client *c, struct call *call)
{
    if (call->transfer == NULL) {
        end_waiting(c, call, "cancelled");
        return;
    }
    struct transfer_end end;
    transfer_end_cancelled(call->transfer, &end);
    finish(c, call, &end, false);
}

/* owner NULL: everyone's. */
static void cancel_owner(struct http_client *c, const uint64_t *owner)
{
    struct call *next;
    for (struct call *call = TAILQ_FIRST(&c->calls); call != NULL; call = next) {
        next = TAILQ_NEXT(call, listed);
        if (owner == NULL || call->owner == *owner)
            cancel_call(c, call);
    }
}

static void end_all_waiting(struct http_client *c)
{
    struct call *next;
    for (struct call *call = TAILQ_FIRST(&c->calls); call != NULL; call = next) {
        next = TAILQ_NEXT(call, listed);
        if (call->transfer == NULL)
            end_waiting(c, call, "it would have to wait, and the process is stopping");
    }
}

static void add_calls(struct http_client *c, struct call_list *arrived, int64_t now)
{
    struct call *call;
    while ((call = TAILQ_FIRST(arrived)) != NULL) {
        TAILQ_REMOVE(arrived, call, listed);
        TAILQ_INSERT_TAIL(&c->calls, call, listed);
        if (call_queue_add(c->queue, call, now) != STATUS_OK)
            call_done_waiting(c, call, "out of memory");
    }
}

static void do_cancellation(struct http_client *c, struct cancellation *x)
{
    cancel_owner(c, &x->owner);
    pthread_mutex_lock(&c->lock);
    TAILQ_REMOVE(&c->cancellations, x, listed);
    x->is_done = true;
    pthread_cond_broadcast(&c->cancelled);
    pthread_mutex_unlock(&c->lock);
}

/* Sleeps until a socket, a timer or another thread has something to do. */
static void wait_for_work(struct http_client *c)
{
    int64_t now = clock_mono_ms(), wait_ms = call_queue_next_at(c->queue, now);
    wait_ms = wait_ms <= now ? 0 : wait_ms - now;
    if (wait_ms > TURN_MAX_MS)
        wait_ms = TURN_MAX_MS;
    if (curl_multi_poll(c->multi, NULL, 0, (int)wait_ms, NULL) != CURLM_OK)
        (void)poll(NULL, 0, 10); /* memory is short: no busy loop */
}

/* What others have left comes first, and calls before the cancellation that may mean them. Returns
 * false once the client stops. */
static bool turn(struct http_client *c)
{
    struct call_list arrived = TAILQ_HEAD_INITIALIZER(arrived);
    pthread_mutex_lock(&c->lock);
    TAILQ_CONCAT(&arrived, &c->inbox, listed);
    struct cancellation *cancellation = TAILQ_FIRST(&c->cancellations);
    bool is_draining = c->is_draining, is_stopping = c->is_stopping;
    pthread_mutex_unlock(&c->lock);

    int64_t now = clock_mono_ms();
    add_calls(c, &arrived, now);
    if (cancellation != NULL)
        do_cancellation(c, cancellation);
    if (is_stopping) {
        cancel_owner(c, NULL);
        return false;
    }
    expire_calls(c, now);
    start_calls(c, now);
    (void)curl_multi_perform(c->multi, &(int){0}); /* what fails shows in its transfer */
    finish_transfers(c);
    if (is_draining)
        end_all_waiting(c);
    if (cancellation == NULL) /* else there may be another one */
        wait_for_work(c);
    return true;
}

static void *thread_main(void *ctx)
{
    /* CURLOPT_NOSIGNAL leaves SIGPIPE to us, and OpenSSL writes to connections that are closed.
     * Source: curl 7.88, docs/libcurl/opts/CURLOPT_NOSIGNAL.3. */
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    while (turn(ctx))
        ;
    return NULL;
}

/* --- other threads ------------------------------------------------------------------------------
 */

DEFINE_CLEANUP(struct call *, call_free)

/* Under the lock. */
static bool is_being_cancelled(const struct http_client *c, uint64_t owner)
{
    const struct cancellation *x;
    TAILQ_FOREACH(x, &c->cancellations, listed)
    if (x->owner == owner)
        return true;
    return false;
}

enum status http_client_submit(struct http_client *c, const struct http_request *request,
                               http_done_fn *on_done, void *ctx, struct diag *diag)
{
    CLEANUP(call_free_scoped) struct call *call = NULL;
    enum status status = call_new(c->bases, c->opt.bases_len, request, &call, diag);
    if (status != STATUS_OK)
        return status;
    call->on_done = on_done;
    call->ctx = ctx;
    pthread_mutex_lock(&c->lock);
    bool is_taken =
        c->calls_len < c->opt.calls_max && !c->is_stopping && !is_being_cancelled(c, call->owner);
    if (is_taken) {
        TAILQ_INSERT_TAIL(&c->inbox, call, listed);
        c->calls_len++;
        call = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (!is_taken)
        return diag_set(diag, STATUS_BUSY, "too many calls, or the owner's are being cancelled");
    (void)curl_multi_wakeup(c->multi); /* where that fails it is seen a TURN_MAX_MS later */
    return STATUS_OK;
}

void http_client_cancel(struct http_client *c, uint64_t owner)
{
    struct cancellation x = {.owner = owner};
    assert(!pthread_equal(pthread_self(), c->thread));
    pthread_mutex_lock(&c->lock);
    TAILQ_INSERT_TAIL(&c->cancellations, &x, listed);
    (void)curl_multi_wakeup(c->multi);
    while (!x.is_done)
        pthread_cond_wait(&c->cancelled, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

void http_client_drain(struct http_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_draining = true;
    pthread_mutex_unlock(&c->lock);
    (void)curl_multi_wakeup(c->multi);
}

/* --- life ---------------------------------------------------------------------------------------
 */

DEFINE_CLEANUP(struct http_client *, http_client_free)

enum status http_client_prepare(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? STATUS_OK : STATUS_INTERNAL;
}

static enum status check_options(const struct http_client_options *opt, struct diag *diag)
{
    assert(opt->concurrency > 0 && opt->connect_timeout_ms > 0 && opt->timeout_ms > 0);
    for (size_t i = 0; i < opt->bases_len; i++)
        if (!base_url_is_plain(opt->bases[i].url))
            return diag_set(diag, STATUS_INVALID,
                            "base_url: %.200s is not an http or https URL without user, query, "
                            "fragment and trailing slash",
                            opt->bases[i].url);
    if (opt->ca_file != NULL && opt->ca_file[0] != '\0' && access(opt->ca_file, R_OK) != 0)
        return diag_set(diag, STATUS_INVALID, "ca_file: %.200s cannot be read: %s", opt->ca_file,
                        strerror(errno));
    return STATUS_OK;
}

static enum status copy_options(struct http_client *c, const struct http_client_options *opt)
{
    c->opt = *opt;
    c->opt.ca_file = strdup(opt->ca_file == NULL ? "" : opt->ca_file);
    c->opt.user_agent = strdup(opt->user_agent);
    c->bases = calloc(opt->bases_len, sizeof(c->bases[0]));
    c->opt.bases = c->bases;
    if (c->opt.ca_file == NULL || c->opt.user_agent == NULL || c->bases == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < opt->bases_len; i++) {
        c->bases[i] = opt->bases[i];
        c->bases[i].url = strdup(opt->bases[i].url);
        if (c->bases[i].url == NULL)
            return STATUS_NOMEM;
    }
    return STATUS_OK;
}

static enum status start(struct http_client *c)
{
    enum status status = call_queue_new(c->bases, c->opt.bases_len, c->opt.concurrency, &c->queue);
    if (status != STATUS_OK)
        return status;
    c->multi = curl_multi_init();
    if (c->multi == NULL ||
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->opt.concurrency) != CURLM_OK)
        return STATUS_NOMEM;
    c->has_thread = pthread_create(&c->thread, NULL, thread_main, c) == 0;
    return c->has_thread ? STATUS_OK : STATUS_NOMEM;
}

enum status http_client_new(const struct http_client_options *opt, struct http_client **ret,
                            struct diag *diag)
{
    enum status status = check_options(opt, diag);
    if (status != STATUS_OK)
        return status;
    CLEANUP(http_client_free_scoped) struct http_client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return STATUS_NOMEM;
    TAILQ_INIT(&c->calls);
    TAILQ_INIT(&c->inbox);
    TAILQ_INIT(&c->cancellations);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->cancelled, NULL);
    status = copy_options(c, opt);
    if (status == STATUS_OK)
        status = start(c);
    if (status == STATUS_OK)
        *ret = TAKE(c);
    return status;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    if (c->has_thread) {
        pthread_mutex_lock(&c->lock);
        c->is_stopping = true;
        pthread_mutex_unlock(&c->lock);
        (void)curl_multi_wakeup(c->multi);
        pthread_join(c->thread, NULL);
    }
    assert(c->calls_len == 0);
    curl_multi_cleanup(c->multi);
    call_queue_free(c->queue);
    for (size_t i = 0; c->bases != NULL && i < c->opt.bases_len; i++)
        free((char *)c->bases[i].url);
    free(c->bases);
    free((char *)c->opt.ca_file);
    free((char *)c->opt.user_agent);
    pthread_cond_destroy(&c->cancelled);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
