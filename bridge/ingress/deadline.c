#include "bridge/ingress/deadline.h"

static void deadline_unlink(struct deadline *d)
{
    struct deadline_fifo *fifo = d->fifo;
    if (fifo == NULL)
        return;
    if (d->previous != NULL)
        d->previous->next = d->next;
    else
        fifo->oldest = d->next;
    if (d->next != NULL)
        d->next->previous = d->previous;
    else
        fifo->newest = d->previous;
    fifo->len--;
    d->fifo = NULL;
}

void deadline_move(struct deadline *d, struct deadline_fifo *fifo, int64_t now_mono_ms)
{
    deadline_unlink(d);
    d->since_mono_ms = now_mono_ms;
    if (fifo == NULL)
        return;
    d->fifo = fifo;
    d->next = NULL;
    d->previous = fifo->newest;
    if (fifo->newest != NULL)
        fifo->newest->next = d;
    else
        fifo->oldest = d;
    fifo->newest = d;
    fifo->len++;
}

struct deadline *deadline_due(const struct deadline_fifo *fifo, int64_t now_mono_ms)
{
    return deadline_wait_ms(fifo, now_mono_ms) == 0 ? fifo->oldest : NULL;
}

int64_t deadline_wait_ms(const struct deadline_fifo *fifo, int64_t now_mono_ms)
{
    if (fifo->oldest == NULL)
        return DEADLINE_NONE;
    int64_t left = fifo->duration_ms - (now_mono_ms - fifo->oldest->since_mono_ms);
    return left > 0 ? left : 0;
}
