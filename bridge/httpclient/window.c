#include "bridge/httpclient/window.h"

#include <assert.h>
#include <stdlib.h>

enum status window_init(struct window *w, unsigned max, int64_t window_ms)
{
    *w = (struct window){.max = max, .window_ms = window_ms};
    if (max == 0)
        return STATUS_OK;
    w->ends_mono_ms = calloc(max, sizeof(w->ends_mono_ms[0]));
    return w->ends_mono_ms == NULL ? STATUS_NOMEM : STATUS_OK;
}

void window_done(struct window *w)
{
    free(w->ends_mono_ms);
    w->ends_mono_ms = NULL;
}

int64_t window_free_at(const struct window *w, int64_t now_mono_ms)
{
    if (w->max == 0)
        return now_mono_ms;
    if (w->under_way >= w->max)
        return INT64_MAX;
    unsigned room = w->max - w->under_way; /* for ends that still count */
    if (w->ends_len < room)
        return now_mono_ms;
    /* Ends are in order: this one and all before it must have left the window. */
    unsigned last = (w->first + w->ends_len - room) % w->max;
    return w->ends_mono_ms[last] + w->window_ms + 1; /* both instants were rounded down */
}

void window_start(struct window *w)
{
    w->under_way++;
}

void window_end(struct window *w, unsigned arrivals, int64_t now_mono_ms)
{
    assert(w->under_way > 0);
    w->under_way--;
    for (unsigned i = 0; i < arrivals && w->max > 0; i++) {
        w->ends_mono_ms[(w->first + w->ends_len) % w->max] = now_mono_ms;
        if (w->ends_len < w->max)
            w->ends_len++;
        else
            w->first = (w->first + 1) % w->max;
    }
}
