/* One client's connection: which phase it is in, and until when.
 *
 *                         ┌──► DELAYED ───────────┐
 *                         ├──► HELD ────┐         ▼
 *   accept ─► HEADER ─► BODY ─► PUBLISHING ─► DECIDED ─► ANSWERING ─► IDLE ─► HEADER ...
 *               └─────────┴────────────────────────────────▲
 *
 * Invariants
 * 1. A connection is in exactly one of its loop's deadline fifos, the one of its phase, or that of
 *    what is read out; only one that was cut is in none. So no client can hold anything for ever,
 *    whatever it does. What was held is published from the fifo of the held: it has one deadline.
 * 2. Only the loop's thread touches it.
 * 3. Phases change in connection_enter() alone; request.c says when.
 */
#pragma once

#include "bridge/ingress/deadline.h"
#include "bridge/ingress/request.h"

struct MHD_Connection;
struct loop;

enum phase {
    PHASE_IDLE = 0,   /* between requests; idle_timeout_ms */
    PHASE_HEADER,     /* accepted, or a request line has come; header_timeout_ms */
    PHASE_BODY,       /* the header is accepted; body_timeout_ms */
    PHASE_HELD,       /* suspended until its route has a secret; deadline_ms */
    PHASE_PUBLISHING, /* stands by, later suspended, until the sink reports; deadline_ms */
    PHASE_DELAYED,    /* suspended: refused, and told so a little later */
    PHASE_DECIDED,    /* the next call of the handler queues the answer */
    PHASE_ANSWERING,  /* libmicrohttpd sends the answer; header_timeout_ms */
    PHASE_CUT,        /* shut down: libmicrohttpd will notice */
};
#define PHASES 9

/* The fifo of who is to send something but has closed its side: what it sent is read out. */
#define FIFO_READ_OUT PHASES
#define FIFOS (PHASES + 1)

struct connection {
    struct deadline deadline; /* first: a connection is found again from it */
    struct loop *loop;
    struct MHD_Connection *mhd; /* NULL: it is an orphan */
    int fd;
    enum phase phase;
    bool has_request_line; /* in PHASE_HEADER: a request has begun */
    bool half_closed;      /* the client sends no more */
    bool is_suspended;     /* libmicrohttpd does not call the handler */
    unsigned idle_calls;   /* of the handler in PHASE_PUBLISHING */
    bool leaves_unread;    /* it was answered before its body was read */
    struct request request;
};

/* Errors: NULL when memory is short; the connection then cannot be served. */
struct connection *connection_new(struct loop *l, struct MHD_Connection *mhd);

/* Also lets the socket linger where a reset could overtake the last answer. */
void connection_free(struct connection *c);

/* The connection libmicrohttpd speaks of; NULL when memory was short at its start. */
struct connection *connection_of(struct MHD_Connection *mhd);

void connection_enter(struct connection *c, enum phase phase);

/* The client has closed its side. libmicrohttpd 0.9.75 goes on waiting for the rest of a request
 * (measured). */
void connection_half_closed(struct connection *c);

/* From the handler: it is not called again before connection_resume(). */
void connection_suspend(struct connection *c);

/* The handler is called in this turn of the loop. */
void connection_resume(struct connection *c);

/* From the handler, in PHASE_PUBLISHING, when there is nothing to do yet: it is called again in the
 * next turn, and suspended when that has gone on for a while. */
void connection_stand_by(struct connection *c);

/* libmicrohttpd closes it in PHASE_PUBLISHING, since its client is gone: it lives on until its
 * answer is decided, which is counted and goes nowhere. */
void connection_orphan(struct connection *c);

/* Ends it without a word. */
void connection_cut(struct connection *c);

/* Answers beside libmicrohttpd, at a moment when it takes no answer, and ends the connection. */
void connection_refuse(struct connection *c, enum answer answer);

/* How many bytes came and went; both 0 where the kernel does not tell. A client's closing its side
 * counts as one (Linux, tcp_rcv_nxt_update()). */
void connection_traffic(const struct connection *c, uint64_t *ret_received, uint64_t *ret_sent);

/* Whether bytes have come that nobody has read yet. */
bool connection_has_unread(const struct connection *c);

static inline struct connection *connection_of_deadline(struct deadline *d)
{
    return (struct connection *)d;
}
