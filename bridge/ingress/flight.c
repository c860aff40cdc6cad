#include "bridge/ingress/flight.h"

#include <stdlib.h>

/* Records of one callback: 20,000, the producer's queue, of 3 KB each. A longer array could not be
 * published anyway. */
static const size_t arena_max = 64 * 1024 * 1024;

static bool on_done(struct publication *pub, enum status status)
{
    struct flight *f = pub->owner;
    f->report = status;
    int waiting = FLIGHT_WAITING;
    if (!atomic_compare_exchange_strong(&f->state, &waiting, FLIGHT_REPORTED))
        return false;
    mailbox_push(f->mailbox, &f->node);
    return true;
}

static void on_release(struct publication *pub)
{
    struct flight *f = pub->owner;
    buf_done(&f->body);
    budget_give_bytes(f->budget, f->budgeted);
    budget_unref(f->budget);
    mailbox_unref(f->mailbox);
    arena_free(pub->arena); /* f with it */
}

static enum status reserve(struct flight *f, size_t bytes)
{
    if (!budget_take_bytes(f->budget, bytes))
        return STATUS_BUSY;
    f->budgeted += bytes;
    return STATUS_OK;
}

enum status flight_new(struct mailbox *mailbox, struct budget *budget, size_t body_max,
                       size_t expected, struct flight **ret)
{
    struct arena *arena = arena_new(arena_max);
    struct flight *f = arena == NULL ? NULL : arena_alloc(arena, sizeof(*f));
    if (f == NULL) {
        arena_free(arena);
        return STATUS_NOMEM;
    }
    *f = (struct flight){0};
    publication_init(&f->pub);
    f->pub.arena = arena;
    f->pub.owner = f;
    f->pub.on_done = on_done;
    f->pub.on_release = on_release;
    buf_init(&f->body, body_max);
    atomic_init(&f->state, FLIGHT_WAITING);
    f->mailbox = mailbox_ref(mailbox);
    f->budget = budget_ref(budget);

    enum status status = reserve(f, expected);
    if (status == STATUS_OK)
        status = buf_reserve(&f->body, expected);
    if (status != STATUS_OK) {
        flight_unref(f);
        return status;
    }
    *ret = f;
    return STATUS_OK;
}

void flight_unref(struct flight *f)
{
    if (f != NULL)
        publication_unref(&f->pub);
}

enum status flight_append(struct flight *f, struct bytes piece)
{
    size_t len = f->body.len + piece.len;
    if (len > f->body.max)
        return STATUS_INVALID;
    if (len > f->budgeted && reserve(f, len - f->budgeted) != STATUS_OK)
        return STATUS_BUSY;
    buf_append_bytes(&f->body, piece);
    return f->body.status;
}

bool flight_expire(struct flight *f)
{
    int waiting = FLIGHT_WAITING;
    if (!atomic_compare_exchange_strong(&f->state, &waiting, FLIGHT_EXPIRED))
        return false;
    publication_abandon(&f->pub);
    return true;
}
