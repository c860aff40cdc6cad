/* How a pass ends. */
#include "bridge/reconciler/pass_state.h"

#include <assert.h>

static const char *const end_names[PASS_ENDS] = {
    [PASS_COMPLETE] = "complete",   [PASS_UNTRUSTED] = "untrusted",
    [PASS_RETRY_LATER] = "later",   [PASS_UNAUTHORIZED] = "unauthorized",
    [PASS_FORBIDDEN] = "forbidden", [PASS_BLOCKED] = "blocked",
    [PASS_INVALID] = "invalid",     [PASS_NOT_OWNED] = "not-owned",
    [PASS_FAILED] = "failed",       [PASS_RECORDS_UNKNOWN] = "records-unknown",
};

const char *pass_end_name(enum pass_end end)
{
    return end_names[end];
}

void pass_end(struct pass *p, enum pass_end how)
{
    assert(!p->is_waiting);
    p->at = PASS_ENDED;
    p->result.end = how;
    struct pass_result result = p->result;
    p->opt.on_end(p->opt.ctx, &result); /* p may be gone now */
}

void pass_end_failed(struct pass *p, enum status status)
{
    diag_set(&p->result.reason, status, "%s",
             status == STATUS_NOMEM ? "out of memory" : status_name(status));
    p->result.again_at_unix_ms = pass_now_unix_ms(p) + p->opt.reconciler->second_look_ms;
    pass_end(p, PASS_FAILED);
}

void pass_end_later(struct pass *p, int64_t retry_at_unix_ms, const struct diag *reason)
{
    int64_t at_unix_ms = pass_now_unix_ms(p) + p->opt.reconciler->second_look_ms;
    p->result.again_at_unix_ms = retry_at_unix_ms > at_unix_ms ? retry_at_unix_ms : at_unix_ms;
    p->result.reason = *reason;
    pass_end(p, PASS_RETRY_LATER);
}

void pass_end_unstarted(struct pass *p, enum status status, const struct diag *diag)
{
    if (status == STATUS_BUSY) {
        pass_end_later(p, 0, diag);
        return;
    }
    p->result.reason = *diag;
    pass_end_failed(p, status);
}
