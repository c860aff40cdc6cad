/* Which accounts the page is asked for: /status?account=acme&state=blocked&page=2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

/* How an account is, the worst first: the page is sorted by it. */
enum account_condition {
    ACCOUNT_IS_BLOCKED = 0,
    ACCOUNT_IS_INVALID,
    ACCOUNT_IS_UNREADABLE, /* no key opens its records */
    ACCOUNT_IS_FAILING,    /* its last pass did not come to its end */
    ACCOUNT_IS_DRIFTING,   /* what is declared and what is at the provider differ */
    ACCOUNT_IS_SILENT,     /* one of its subscriptions is not heard */
    ACCOUNT_IS_AWAITED,    /* it had no pass yet */
    ACCOUNT_IS_FINE,
    ACCOUNT_IS_ELSEWHERE, /* another replica leads it */
};
#define ACCOUNT_CONDITIONS 9

/* "blocked", ... Static. */
const char *account_condition_name(enum account_condition condition);

enum subscription_state {
    SUBSCRIPTION_MISSING = 0, /* wanted, and there is none yet */
    SUBSCRIPTION_PENDING,
    SUBSCRIPTION_ACTIVE,
    SUBSCRIPTION_RETIRING,
    SUBSCRIPTION_RETIRED,
};
#define SUBSCRIPTION_STATES 5

/* "missing", ... Static. */
const char *subscription_state_name(enum subscription_state state);

/* How many accounts a page has. */
#define FILTER_PAGE_LEN 50

#define FILTER_ACCOUNT_SIZE 64

/* All zero: everything, from the beginning. */
struct filter {
    char account[FILTER_ACCOUNT_SIZE]; /* a part of its id or of its system; "": any */
    const char *state;                 /* a name of filter_states; NULL: any */
    unsigned conditions;               /* a bit for each condition that is wanted; 0: any */
    unsigned states;                   /* likewise, of which it has a subscription; 0: any */
    unsigned page;                     /* from 0 */
};

/* Reads the parameters, each NULL where it is not given. Errors: STATUS_INVALID, diag says which;
 * *ret is then empty. */
enum status filter_parse(const char *account, const char *state, const char *page,
                         struct filter *ret, struct diag *diag) MUST_CHECK;

/* What a person can choose from: {name, title}; the order of the page. */
struct filter_state {
    const char *name; /* "attention" */
    const char *title;
    unsigned conditions;
    unsigned states;
};
extern const struct filter_state filter_states[];
extern const size_t filter_states_len;

/* Whether what is known of an account matches. has_states: a bit for each state that one of its
 * subscriptions has. */
bool filter_accepts(const struct filter *f, const char *account, const char *system,
                    enum account_condition condition, unsigned has_states);

/* Appends what stands behind the "?" to ask for that page of the same; "" for the first of all. */
void filter_print(const struct filter *f, unsigned page, struct buf *ret);
