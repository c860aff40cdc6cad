#include "bridge/reconciler/api_key_watch.h"

#include <stdio.h>
#include <string.h>

static const unsigned forbidden_max = 3;

bool api_key_watch_forbidden(struct api_key_watch *w, const char *account)
{
    if (w->forbidden == 0 || strcmp(w->last, account) != 0) {
        snprintf(w->last, sizeof(w->last), "%s", account);
        w->forbidden++;
    }
    w->is_refused |= w->forbidden >= forbidden_max;
    return w->is_refused;
}

bool api_key_watch_succeeded(struct api_key_watch *w)
{
    bool was_refused = w->is_refused;
    *w = (struct api_key_watch){0};
    return was_refused;
}

bool api_key_watch_may_call(struct api_key_watch *w, int64_t now_mono_ms, int64_t interval_ms)
{
    if (!w->is_refused)
        return true;
    if (w->next_test_mono_ms == 0) /* the answers that made it refused were the first test */
        w->next_test_mono_ms = now_mono_ms + interval_ms;
    if (now_mono_ms < w->next_test_mono_ms)
        return false;
    w->next_test_mono_ms = now_mono_ms + interval_ms;
    return true;
}
