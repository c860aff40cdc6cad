/* A pass from within, and what its parts ask of each other; pass.c has its life-cycle. */
#pragma once

#include "bridge/reconciler/pass.h"

enum pass_state {
    PASS_NEW = 0,
    PASS_LISTING,
    PASS_COMMITTING,
    PASS_CREATING,
    PASS_SAVING,
    PASS_DELETING,
    PASS_ENDED,
};

/* A change that is being committed, with copies of its own. */
struct pass_change {
    struct route_record *route;
    struct account_record *account;
    bool is_tombstone;
    bool is_intent;
};

struct pass {
    struct pass_options opt;
    char account[ACCOUNT_ID_MAX + 1];
    bool is_declared;
    struct account_record *former;  /* of one that is not declared: a copy, for `desired` */
    struct desired_account desired; /* of one that is not declared: what its record says */
    struct account_state *state;
    char fingerprint[ACCOUNT_FINGERPRINT_SIZE]; /* of the account key */

    enum pass_state at;
    bool is_waiting; /* for the callback of a call or a commit */
    void (*after_commit)(struct pass *p);

    struct arena *seen; /* of observation and scopes */
    struct observation observation;
    struct scope scopes[OBSERVATION_SCOPES_MAX]; /* to list; the present one first */
    size_t scopes_len;
    size_t scope;              /* that is being listed */
    int64_t listed_at_unix_ms; /* when the first one was begun */

    struct arena *planned; /* of plan */
    struct plan plan;
    size_t step;          /* that is being carried out */
    bool has_created;     /* something was tried to be made by this plan */
    bool is_after_create; /* this plan has no creates */
    bool has_ambiguity;   /* of a POST that no list has cleared up yet */

    struct pass_change *changes;
    size_t changes_len;
    size_t changes_capacity;

    struct pass_result result;
};

/* What a pass may hold of one account's lists and plan: ten thousand entries and more. */
#define PASS_ARENA_MAX (32ULL * 1024 * 1024)

/* Of opt's clock. */
int64_t pass_now_unix_ms(const struct pass *p);

/* --- pass_end.c: each ends the pass; it may be gone afterwards ------------------------------- */

void pass_end(struct pass *p, enum pass_end how);

void pass_end_failed(struct pass *p, enum status status);

/* retry_at may be 0: the provider did not say. */
void pass_end_later(struct pass *p, int64_t retry_at_unix_ms, const struct diag *reason);

/* The call could not be started. */
void pass_end_unstarted(struct pass *p, enum status status, const struct diag *diag);

/* --- pass_standing.c: the account's own record ----------------------------------------------- */

/* What the account's record is to say. Its texts are borrowed from the pass and the reason. */
struct account_record pass_standing(const struct pass *p, enum account_status status,
                                    const char *reason);

/* The account is blocked, which is kept over restarts. Ends the pass. */
void pass_end_blocked(struct pass *p, enum pass_end how, const struct diag *reason);

/* The account's declaration is invalid, as the result's reason says. Ends the pass. */
void pass_end_invalid(struct pass *p);

/* Whether a TOKEN/REVOKED event says that the key that is used is no longer good. What came before
 * the key, or before a call showed that it is good after all, says nothing. */
bool pass_is_revoked(const struct pass *p);

/* Ends the pass. */
void pass_end_revoked(struct pass *p);

/* --- pass_forget.c: an account that is given up ---------------------------------------------- */

/* Whether the account is to be forgotten, and may be. */
bool pass_may_forget(const struct pass *p);

/* Commits the tombstones of all that the registry has of it, and ends the pass. */
void pass_forget(struct pass *p);

/* --- pass_commit.c: changes of the registry -------------------------------------------------- */

/* Forgets what was collected. */
void pass_commit_clear(struct pass *p);

/* Collect a change: of a copy of the record. Errors: STATUS_NOMEM. */
enum status pass_commit_add_route(struct pass *p, const struct route_record *r, bool is_tombstone,
                                  bool is_intent) MUST_CHECK;
enum status pass_commit_add_account(struct pass *p, const struct account_record *r,
                                    bool is_tombstone) MUST_CHECK;

/* Commits what was collected, then goes on; at once if that is nothing. */
void pass_commit(struct pass *p, enum pass_state at, void (*after_commit)(struct pass *p));

/* --- pass_call.c: calls of the provider ------------------------------------------------------ */

/* Before every call: whether it may be made. Otherwise the pass has ended. */
bool pass_may_call(struct pass *p);

/* Starts a call in the scope. Errors: nothing was sent, and on_done is not called. */
enum status pass_call(struct pass *p, struct provider_call call, struct scope scope,
                      call_done_fn *on_done, struct diag *diag) MUST_CHECK;

/* Says what came of a call; url: of a list, NULL. */
void pass_report_call(const struct pass *p, enum call_kind kind, const struct callback_url *url,
                      const struct provider_outcome *outcome);

/* Whether the answer ends the pass, whatever the call was; it then has ended. */
bool pass_is_ended_by(struct pass *p, const struct call_result *result);

/* --- the stages, each begun by the one before ------------------------------------------------ */

/* pass_create.c: first commits the secret that an earlier pass could not. */
void pass_save_unsaved(struct pass *p);

/* pass.c: judges the account, then lists. */
void pass_begin(struct pass *p);

/* pass_list.c: forgets what was seen and lists, then plans. */
void pass_list(struct pass *p);

/* pass_plan.c: plans, and commits what the registry is to say, then creates. */
void pass_plan(struct pass *p);

/* The step of the plan that is being carried out, and its route. */
const struct plan_step *pass_present_step(const struct pass *p);
struct held_route *pass_present_route(const struct pass *p);

/* pass_create.c: creates what the plan says from the present step on, then plans again without
 * creates; or, where nothing was created, deletes. */
void pass_create_next(struct pass *p);

/* pass_delete.c: deletes and activates what the plan says before the present step, then ends. */
void pass_delete_next(struct pass *p);
