#include "bridge/providers/creation.h"

#include "bridge/providers/api_answer.h"

enum status creation_read(struct bytes object, const struct listing_entry *entry,
                          const char *url_name, const char *callback_url, struct arena *a,
                          struct created *ret)
{
    struct diag *reason = &ret->outcome.reason;
    ret->outcome.verdict = VERDICT_AMBIGUOUS;
    if (entry->id == NULL || entry->callback_url == NULL) {
        diag_set(reason, STATUS_INVALID, "the answer has no %s that is a text",
                 entry->id == NULL ? "id" : url_name);
        return STATUS_OK;
    }
    if (strcmp(entry->callback_url, callback_url) != 0) {
        diag_set(reason, STATUS_INVALID, "the answer's %s is not the one that was sent", url_name);
        return STATUS_OK;
    }
    ret->entry = *entry;
    enum status status = api_answer_secret(api_answer_member(object, "secret"), a, &ret->secret);
    if (status != STATUS_OK)
        return status;
    ret->outcome.verdict = ret->secret == NULL ? VERDICT_NO_SECRET : VERDICT_OK;
    if (ret->secret == NULL)
        diag_set(reason, STATUS_INVALID, "the answer has no secret that can be used");
    return STATUS_OK;
}
