/* One loop: a thread, its listening socket, its libmicrohttpd daemon in external mode, its
 * deadlines. */
#pragma once

#include <pthread.h>

#include "bridge/ingress/connection.h"
#include "bridge/ingress/lingering.h"
#include "bridge/ingress/shared.h"

struct MHD_Daemon;

struct loop {
    struct shared *shared;
    struct MHD_Daemon *daemon;
    int epoll_fd;   /* the daemon's */
    int hangups_fd; /* an epoll fd: clients that closed their side */
    int listen_fd;  /* -1 once it is closed */
    struct mailbox *mailbox;
    struct answers *answers;
    struct deadline_fifo fifos[FIFOS]; /* one a phase; that of PHASE_CUT stays empty */
    struct lingering lingering;
    size_t held;      /* connections in PHASE_HELD */
    bool has_answers; /* the handler will queue some when libmicrohttpd runs next */
    /* Of the latest turn. */
    bool has_resumed;    /* connections that were suspended */
    bool has_progressed; /* the handler had something to do */
    bool has_gathered;   /* of the latest run: pieces of bodies */
    unsigned idle_turns; /* up to it, in a row: without an event, or anything to do */

    int64_t delayed_at_mono_ms;      /* since when the latest refusal is delayed, ... */
    size_t delayed_at_once;          /* ... and how many are since that instant */
    unsigned long long changes_seen; /* of the registry; what is held was judged by them */
    pthread_t thread;
    bool has_thread;
    size_t
        cut; /* requests that got no answer at the stop. Thread: the loop's, then loop_join()'s */
    atomic_bool stopping;
    atomic_llong stop_until_mono_ms;
    atomic_llong turned_at_mono_ms;
};

/* Starts the thread. Takes the listening socket, also on failure.
 * Owns:   on STATUS_OK the caller frees *ret with loop_free().
 * Errors: STATUS_NOMEM. STATUS_INTERNAL libmicrohttpd refuses its options; diag says so.
 */
enum status loop_new(struct shared *shared, int listen_fd, struct loop **ret, struct diag *diag)
    MUST_CHECK;

/* One turn: waits at most so long for something to happen, and does what there is to do; and how
 * long the next one may wait. Thread: the loop's. */
void loop_turn(struct loop *l, int64_t wait_ms);
int64_t loop_wait_ms(struct loop *l);

/* From now on it accepts no connection, and ends when every request is answered, or at the latest
 * when the instant has come. Thread: any.
 */
void loop_stop(struct loop *l, int64_t until_mono_ms);

/* Waits for the end; returns how many requests got no answer. */
size_t loop_join(struct loop *l);

/* After loop_join(). */
void loop_free(struct loop *l);
