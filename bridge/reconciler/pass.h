/* One pass over one account: list, plan, commit, call; see pass.c for its life-cycle. */
#pragma once

#include "bridge/reconciler/adoption.h"
#include "bridge/reconciler/plan.h"
#include "bridge/reconciler/provider_calls.h"
#include "bridge/reconciler/registry_writer.h"

enum pass_end {
    PASS_COMPLETE = 0,    /* everything that the plan asked for was tried */
    PASS_UNTRUSTED,       /* the list could not be trusted: nothing was done */
    PASS_RETRY_LATER,     /* the provider, or a limit of ours, asks for patience */
    PASS_UNAUTHORIZED,    /* the account is blocked */
    PASS_FORBIDDEN,       /* likewise; on many accounts the API key is meant */
    PASS_BLOCKED,         /* the account was blocked before: nothing was called */
    PASS_INVALID,         /* the declaration cannot be carried out: nothing was called */
    PASS_NOT_OWNED,       /* the ownership deadline has passed: another poll, then another pass */
    PASS_RECORDS_UNKNOWN, /* a commit failed: drop the partition and read it again */
    PASS_FAILED,          /* memory was short, or a request could not be made */
};
#define PASS_ENDS 10

/* "complete", ...: metric labels. Static. */
const char *pass_end_name(enum pass_end end);

struct pass_result {
    enum pass_end end;
    int64_t again_at_unix_ms; /* when the next pass is due before the interval is over; 0: then */
    bool was_listed;   /* the provider took the keys: a list was answered and could be trusted */
    bool is_forgotten; /* as forget_before_unix_ms says */
    unsigned creates, deletes, activates; /* that were done */
    struct diag reason;                   /* of what is not complete */
};

struct pass_options {
    const struct reconciler_options *reconciler;
    const struct provider_calls *calls;
    const struct registry_writer *writer;
    int64_t (*now_unix_ms)(void *ctx);
    void *clock_ctx;

    bool only_plans; /* nothing is written and nothing but lists is called */
    bool withholds_deletes;
    int64_t force_unix_ms; /* the request that lifts this, once: when it was made; 0: none */
    bool retries_blocked; /* the API key was refused and is taken again: blocks are tried at once */
    struct rotation rotations[ROTATIONS];
    const struct adoption *adoption; /* is taken over first, if it can be; NULL: none */
    /* An account that is not declared is forgotten, without a call, if all that the registry has of
     * it is older; 0: it is not. */
    int64_t forget_before_unix_ms;

    /* What the pass means to do, up to twice a round: with creates, and after them. May be NULL. */
    void (*on_plan)(void *ctx, const struct plan *plan);
    /* What came of a step that called the provider. May be NULL. */
    void (*on_call)(void *ctx, enum call_kind kind, const struct callback_url *url,
                    const struct provider_outcome *outcome);
    /* The pass is over; it may be freed from within. */
    void (*on_end)(void *ctx, const struct pass_result *result);
    void *ctx; /* for these three */
};

struct pass;

/* A pass that has not begun. desired may be NULL: the account is no longer declared. All arguments
 * are borrowed until on_end or pass_free(); the state is the pass's alone meanwhile.
 * Owns: the caller frees *ret with pass_free(). Errors: STATUS_NOMEM. */
enum status pass_new(const struct pass_options *opt, const char *account,
                     const struct desired_account *desired, struct account_state *state,
                     struct pass **ret) MUST_CHECK;

/* Begins. on_end may be called from within. */
void pass_start(struct pass *p);

/* Ends what is under way without a word: call or commit are cancelled. The state is then to be
 * thrown away, unless on_end was called. pass_free(NULL) is fine. */
void pass_free(struct pass *p);
