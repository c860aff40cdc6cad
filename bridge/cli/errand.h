/* Something to be done to accounts, by whom they belong to: the reconcilers, which are asked
 * through the accounts topic and followed in the registry, or, where none runs, this process.
 */
#pragma once

#include "bridge/app/one_pass.h"
#include "bridge/cli/registry_access.h"

/* What is known of an account beside its report; of the same index. */
struct errand_account {
    bool is_asked;   /* its owner was, or it is done here */
    bool is_awaited; /* it has work that was not seen done yet */
    bool is_doubted; /* something else was seen that waits: maybe of what was just being done */
    bool is_told;    /* a line was printed */
    size_t created, deleted, activated;
};

struct errand {
    /* Set before: */
    const struct registry_access *access;
    const char *account;           /* NULL: all */
    struct request_record request; /* what each is asked for; of no account */
    bool prints_lines;             /* of each account that is done, on stdout */
    bool with_colour;

    /* Filled by errand_run(): */
    struct one_pass *pass; /* NULL: it came to none */
    struct errand_account *accounts;
    size_t len;
    size_t members;  /* of the group, that were asked; 0: it was done here */
    bool is_stalled; /* those who were asked have not come further */

    /* Set by the caller, then: */
    bool lacks_resource; /* no active subscription is for the one of the request */
};

/* Does it, or sees that it is done. The caller ends it with errand_done(), also after an error.
 * Errors: as one_pass_await(); STATUS_BUSY: reconcilers came and went, or SIGINT or SIGTERM came.
 */
enum status errand_run(struct errand *e, struct diag *diag) MUST_CHECK;
void errand_done(struct errand *e);
