/* The port through which a pass calls an account's provider: one call at a time, answered later. */
#pragma once

#include "bridge/domain/provider_api.h"

enum call_kind {
    CALL_LIST = 0, /* every page */
    CALL_CREATE,
    CALL_DELETE,
    CALL_ACTIVATE,
};

/* Borrowed for the start of the call. */
struct provider_call {
    enum call_kind kind;
    const char *account;
    const char *provider;         /* "maesn" */
    const char *account_key;      /* secret */
    const char *company_id;       /* the call's query values, not always the account's present */
    const char *environment_name; /* ones: what was created under others is deleted with those */
    const struct wanted *wanted;  /* CALL_CREATE */
    const char *callback_url;     /* CALL_CREATE */
    const char *id;               /* CALL_DELETE, CALL_ACTIVATE */
};

/* What came of a call; borrowed for the callback. */
struct call_result {
    struct provider_outcome outcome; /* of a list: AMBIGUOUS and UNTRUSTED mean that nothing of it
                                        may be believed */
    bool is_unsent;                  /* nothing of it left this process. So are a list that waits
                                        and every RETRY_LATER */
    const struct listing *listing;   /* CALL_LIST, of an OK; every page */
    const struct created *created;   /* CALL_CREATE, of an OK and a NO_SECRET */
    int64_t retry_at_unix_ms;        /* Retry-After of a RETRY_LATER; 0: none */
};

typedef void call_done_fn(void *done_ctx, const struct call_result *result);

/* Thread: the pass's, also for call_done_fn. */
struct provider_calls {
    void *ctx;

    /* Makes the call as soon as the limits of its account, its provider and the process let it.
     * Before the first byte of any request leaves, also of a list's next page or of one that is
     * sent again, the ownership deadline of registry_writer.may_act() is looked at once more: past,
     * and the request is unsent. Only a CALL_LIST may be sent more than once.
     *
     * On STATUS_OK on_done(done_ctx) is called once, later, never from within start(), unless
     * cancel() comes first. Errors: STATUS_NOMEM, STATUS_BUSY, STATUS_INVALID it cannot be made
     * into a request: nothing was sent.
     */
    enum status (*start)(void *ctx, const struct provider_call *call, call_done_fn *on_done,
                         void *done_ctx, struct diag *diag);

    /* Ends the call of done_ctx: its on_done is not called any more, and within a second nothing of
     * it is under way. What it did is unknown. */
    void (*cancel)(void *ctx, void *done_ctx);
};
