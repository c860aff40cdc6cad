/* What passes over accounts came to, account by account, kept for a command to tell of. */
#pragma once

#include "bridge/app/reconciler_accounts.h"
#include "bridge/reconciler/guard.h"

/* A call that was answered, or was not; lists are none. */
struct reported_call {
    enum call_kind kind;
    enum provider_verdict verdict;
    struct specification specification;
    const char *reason; /* of what is not OK */
};

struct reported_account {
    char id[ACCOUNT_ID_MAX + 1];
    const char *provider; /* NULL: not known */
    const char *system;
    bool is_declared;
    bool has_ended;   /* its pass has; the rest is of the latest one */
    bool is_readable; /* otherwise it had none; the reason says why */
    enum pass_end end;
    const char *reason; /* of what is not complete; NULL: none */
    struct reported_plan plan;
    struct reported_call *calls;
    size_t calls_len;
    unsigned tries;   /* passes that have ended */
    uint64_t changes; /* of its records, when its latest pass was due */
};

/* All zero: nothing is reported yet. */
struct pass_report {
    struct reported_account *accounts; /* by id */
    size_t len;
    size_t capacity;
    size_t ended; /* of them */
    struct guard_count guard;
    bool withholds_deletes; /* the guard rail holds */
    uint64_t attempts;      /* to call a provider */
    uint64_t answered;      /* of them */
    enum status status;     /* STATUS_NOMEM: something is missing here */
};

void pass_report_done(struct pass_report *r);

/* Adds the account; before all that follows, then pass_report_sort(). */
void pass_report_add(struct pass_report *r, const struct reconciler_account *account);
void pass_report_sort(struct pass_report *r);

/* NULL: it is not reported. */
struct reported_account *pass_report_find(const struct pass_report *r, const char *account);

/* In the place of what was reported of the account's former plan. */
void pass_report_take_plan(struct pass_report *r, const struct reconciler_account *account,
                           const struct plan *plan);
void pass_report_take_call(struct pass_report *r, const struct reconciler_account *account,
                           enum call_kind kind, const struct callback_url *url,
                           const struct provider_outcome *outcome);
/* How the account's latest pass has ended; is_final: no other one follows by itself. */
void pass_report_take_end(struct pass_report *r, const struct reconciler_account *account,
                          bool is_final);
/* It can have no pass. */
void pass_report_take_unreadable(struct pass_report *r, const struct reconciler_account *account,
                                 const struct diag *why);

/* How many calls of this kind did what they were to do. */
size_t pass_report_count_done(const struct reported_account *account, enum call_kind kind);

/* The account is to have another pass, whose end counts anew. */
void pass_report_expect_again(struct pass_report *r, struct reported_account *account);

/* Nothing is left of it. */
void pass_report_take_gone(struct pass_report *r, struct reported_account *account);

/* Forgets the steps that are work: a pass that was not only a plan has done them. */
void pass_report_drop_work(struct reported_account *account);

bool pass_report_has_work(const struct reported_account *account);
/* Whether a POST of its owner seems to be under way. */
bool pass_report_is_under_way(const struct reported_account *account);
bool pass_report_has_difference(const struct reported_account *account);

/* Whether the account's state could not be determined. */
bool pass_report_is_unknown(const struct reported_account *account);
/* Whether its provider refuses its key. */
bool pass_report_is_blocked(const struct reported_account *account);
