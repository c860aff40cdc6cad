#include "bridge/reconciler/refusals.h"

#include <string.h>

#include "bridge/base/scoped.h"

/* A record holds 64 KiB; what does not fit is asked for once more after a restart. */
static const size_t text_max = 32768;

/* Specifications, a blank between them. */
static enum status list(const struct account_state *s, struct buf *ret,
                        const struct setback **ret_first)
{
    for (size_t i = 0; i < s->setbacks_len; i++) {
        char text[SPECIFICATION_TEXT_SIZE];
        if (!s->setbacks[i].is_refused || ret->len + sizeof(text) > text_max)
            continue;
        specification_text(&s->setbacks[i].specification, text);
        buf_printf(ret, "%s%s", ret->len == 0 ? "" : " ", text);
        if (*ret_first == NULL)
            *ret_first = &s->setbacks[i];
    }
    return ret->status;
}

enum status refusals_keep(const struct account_state *s, struct arena *a, int64_t now_unix_ms,
                          struct account_record *r)
{
    CLEANUP(buf_done) struct buf text;
    const struct setback *first = NULL;
    buf_init(&text, text_max);
    r->refused = NULL;
    r->configuration[0] = '\0';
    enum status status = list(s, &text, &first);
    if (status != STATUS_OK || first == NULL)
        return status;
    char specification[SPECIFICATION_TEXT_SIZE];
    specification_text(&first->specification, specification);
    const struct account_record *old = s->record;
    r->refused = arena_dup(a, buf_bytes(&text));
    r->reason = arena_printf(a, "%s: %s", specification, first->reason.text);
    r->status = ACCOUNT_INVALID;
    r->status_since_unix_ms =
        old != NULL && old->status == ACCOUNT_INVALID ? old->status_since_unix_ms : now_unix_ms;
    memcpy(r->configuration, s->configuration, sizeof(r->configuration));
    return r->refused == NULL || r->reason == NULL ? STATUS_NOMEM : STATUS_OK;
}

/* Why the provider refuses it: the record tells that of the first one, whose name stands before. */
static const char *reason_of(const struct account_record *r, struct bytes specification)
{
    const char *reason = r->reason == NULL ? "" : r->reason;
    bool is_first = strncmp(reason, (const char *)specification.data, specification.len) == 0 &&
                    strncmp(reason + specification.len, ": ", 2) == 0;
    return is_first ? reason + specification.len + 2 : "refused before";
}

static enum status recall_one(struct account_state *s, struct bytes text, int64_t now_unix_ms)
{
    struct specification specification;
    struct diag reason = {0};
    if (!specification_parse(text, &specification) ||
        account_state_setback(s, &specification) != NULL)
        return STATUS_OK;
    diag_set(&reason, STATUS_INVALID, "%s", reason_of(s->record, text));
    return account_state_fail(s, &specification, now_unix_ms, 0, true, &reason);
}

enum status refusals_recall(struct account_state *s, int64_t now_unix_ms)
{
    const struct account_record *r = s->record;
    if (r == NULL || r->refused == NULL || strcmp(r->configuration, s->configuration) != 0)
        return STATUS_OK;
    enum status status = STATUS_OK;
    for (const char *at = r->refused; *at != '\0' && status == STATUS_OK;) {
        size_t len = strcspn(at, " ");
        status = recall_one(s, bytes_of(at, len), now_unix_ms);
        at += len + (at[len] == ' ');
    }
    return status;
}
