#include "bridge/ingress/room.h"

#include "bridge/base/clock.h"
#include "bridge/ingress/loop.h"

/* Two round trips of the internet: within them nobody is slow. */
static const int64_t sending_ms = 250;

/* Whoever was answered within the last second sends the next callback soon. */
static const int64_t lately_ms = 1000;

/* Of the oldest connections of a phase so many are looked at. */
static const unsigned looks_max = 8;

/* Of the oldest bodies so many: each may hold little. */
#define BODY_LOOKS_MAX 64

/* A slow body comes slower than this: TCP's initial window, 14600 bytes, every sending_ms.
 * Source: RFC 6928. */
static const int64_t pace_bytes_per_ms = 58;

/* Of each part of the budget this share is for newcomers, as far as slow bodies are in their way.
 */
static const size_t kept_share = 8;

/* --- connections ----------------------------------------------------------------------------- */

/* The oldest connection of a phase, if it is neither the newcomer nor younger than that. Only who
 * is slow is not spared for bytes that nobody has read yet: of others they may be a callback. */
static struct connection *oldest_of(const struct loop *l, enum phase phase,
                                    const struct connection *newcomer, int64_t age_ms)
{
    bool is_slow = phase != PHASE_IDLE && age_ms >= sending_ms;
    int64_t since_max = clock_mono_ms() - age_ms;
    struct deadline *d = l->fifos[phase].oldest;
    for (unsigned i = 0; i < looks_max && d != NULL && d->since_mono_ms <= since_max; i++) {
        struct connection *c = connection_of_deadline(d);
        if (c != newcomer && (is_slow || !connection_has_unread(c)))
            return c;
        d = d->next;
    }
    return NULL;
}

/* Who has been sending the header, or the body, for longest. */
static struct connection *slowest_sender(const struct loop *l, const struct connection *newcomer,
                                         int64_t age_ms)
{
    struct connection *header = oldest_of(l, PHASE_HEADER, newcomer, age_ms);
    struct connection *body = oldest_of(l, PHASE_BODY, newcomer, age_ms);
    if (header == NULL || body == NULL)
        return header == NULL ? body : header;
    return header->deadline.since_mono_ms <= body->deadline.since_mono_ms ? header : body;
}

/* Whoever is slow to send, a byte now and then or none at all, comes before who has been served and
 * keeps the connection for the next callback; in a flood of newcomers these come before who was
 * served lately. Never what waits for its answer. */
static struct connection *least_missed(const struct loop *l, const struct connection *newcomer)
{
    struct connection *c = slowest_sender(l, newcomer, sending_ms);
    if (c == NULL)
        c = oldest_of(l, PHASE_IDLE, newcomer, lately_ms);
    if (c == NULL)
        c = slowest_sender(l, newcomer, 0);
    return c == NULL ? oldest_of(l, PHASE_IDLE, newcomer, 0) : c;
}

/* Whoever only holds connections open shuts nobody out. At libmicrohttpd's own limit, a little
 * higher and counted by loop, newcomers wait in the backlog without any answer. */
void room_for_connection(struct loop *l, const struct connection *newcomer)
{
    if (newcomer == NULL || atomic_load(&l->shared->connections) <= l->shared->opt.connections_max)
        return;
    struct connection *c = least_missed(l, newcomer);
    if (c != NULL)
        connection_cut(c);
}

/* --- bodies ---------------------------------------------------------------------------------- */

/* Unread bytes are not the sender's fault, and they may be all that was missing. */
static bool is_slow(const struct connection *c, int64_t age_ms)
{
    return (int64_t)c->request.flight->body.len < age_ms * pace_bytes_per_ms &&
           !connection_has_unread(c);
}

/* Of the oldest bodies those that are slow, and what the budget would get back with them. */
struct slow {
    struct connection *items[BODY_LOOKS_MAX];
    size_t len;
    size_t bytes;
};

static void find_slow(const struct loop *l, const struct connection *newcomer, int64_t now,
                      int64_t age_min_ms, struct slow *ret)
{
    ret->len = ret->bytes = 0;
    struct deadline *d = l->fifos[PHASE_BODY].oldest;
    for (unsigned i = 0; i < BODY_LOOKS_MAX && d != NULL; i++, d = d->next) {
        struct connection *c = connection_of_deadline(d);
        int64_t age_ms = now - d->since_mono_ms;
        if (c == newcomer || age_ms < age_min_ms)
            return;
        if (!is_slow(c, age_ms))
            continue;
        ret->items[ret->len++] = c;
        ret->bytes += c->request.flight->budgeted;
    }
}

static size_t less(size_t wanted, size_t given)
{
    return wanted > given ? wanted - given : 0;
}

/* Nobody is cut where all of them would not be enough: what waits for Kafka fills the budget. */
static bool make_room(struct loop *l, const struct connection *newcomer, int64_t age_min_ms,
                      size_t requests, size_t bytes)
{
    const struct budget *b = l->shared->budget;
    if (budget_has_room(b, requests, bytes))
        return true;
    int64_t now = clock_mono_ms();
    struct slow slow;
    find_slow(l, newcomer, now, age_min_ms, &slow);
    if (!budget_has_room(b, less(requests, slow.len), less(bytes, slow.bytes)))
        return false;
    for (size_t i = 0; i < slow.len && !budget_has_room(b, requests, bytes); i++) {
        struct connection *c = slow.items[i];
        bool is_young = now - c->deadline.since_mono_ms < sending_ms; /* and not to blame for it */
        request_refuse(c, is_young ? ANSWER_OVERLOADED : ANSWER_TOO_SLOW);
    }
    return budget_has_room(b, requests, bytes);
}

/* In a flood nobody is old: then the oldest of those who sent least give way. */
bool room_for_body(const struct connection *c, size_t requests, size_t bytes)
{
    return make_room(c->loop, c, 0, requests, bytes);
}

/* The slow ones may all be in other loops than the newcomer. */
void room_keep(struct loop *l)
{
    const struct ingress_options *opt = &l->shared->opt;
    if (l->fifos[PHASE_BODY].len == 0)
        return;
    (void)make_room(l, NULL, sending_ms, opt->in_flight_max / kept_share,
                    opt->in_flight_max_bytes / kept_share);
}
