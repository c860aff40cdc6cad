/* Every account there is, by its id: what the registry's records say of it, what is declared of it,
 * and when it is due.
 *
 * The registry topic is read whole, also the partitions that others lead. While a partition is led
 * here the passes know better than the topic, which tells them late what they themselves have
 * written: a record that differs from the state is then kept aside, until the reader's word counts
 * again.
 */
#pragma once

#include "bridge/app/declaration.h"
#include "bridge/base/keyring.h"
#include "bridge/reconciler/account_state.h"
#include "bridge/reconciler/pass.h"

struct reconciler_accounts;
struct kept_record;
struct running_pass;

/* A plain struct, the passes' too. */
struct reconciler_account {
    char id[ACCOUNT_ID_MAX + 1];
    int32_t partition; /* -1: not known yet */
    struct account_state state;
    struct kept_record *kept; /* records aside, and those that no key opens */
    size_t unreadable;        /* how many of the latter */
    struct declaration *declared;
    struct running_pass *running;    /* NULL: none; whose state it is then */
    bool is_due_again;               /* something has changed since it began */
    int64_t due_unix_ms;             /* 0: it is not due at all */
    struct pass_result last;         /* of the last pass */
    int64_t last_ended_unix_ms;      /* 0: there was none */
    size_t differences;              /* in the last plan */
    size_t place;                    /* in the queue + 1; 0: it is not in it. The table's own */
    struct reconciler_account *next; /* in its slot; the table's own */
};

/* Takes its own reference of the keyring; the topic's name is borrowed.
 * Owns:   on STATUS_OK the caller frees *ret with reconciler_accounts_free(), when no pass is under
 *         way any more. Errors: STATUS_NOMEM. Thread: one at a time, of all that follows.
 */
enum status reconciler_accounts_new(const char *topic, const struct keyring *keyring,
                                    struct reconciler_accounts **ret) MUST_CHECK;
void reconciler_accounts_free(struct reconciler_accounts *a);

/* How many partitions the topic has: once, before any record. Errors: STATUS_NOMEM. */
enum status reconciler_accounts_set_partitions(struct reconciler_accounts *a, int32_t partitions)
    MUST_CHECK;
int32_t reconciler_accounts_partitions(const struct reconciler_accounts *a);
/* -1 before it is known. */
int32_t reconciler_accounts_partition_of(const struct reconciler_accounts *a, const char *account);

enum account_reading {
    ACCOUNT_READING_NOMEM = 0,  /* nothing happened: give it again */
    ACCOUNT_READING_IGNORED,    /* it is none of an account */
    ACCOUNT_READING_TAKEN,      /* the state says it, or it is kept aside */
    ACCOUNT_READING_UNREADABLE, /* nothing can be made of it; diag says why. Where its key is
                                   missing the account has to wait for it */
    ACCOUNT_READING_MISPLACED,  /* the topic was resized; diag says where */
};

/* One record of the registry topic; value.data is NULL: a tombstone. */
enum account_reading reconciler_accounts_take(struct reconciler_accounts *a, int32_t partition,
                                              struct bytes key, struct bytes value,
                                              struct diag *diag) MUST_CHECK;

/* From now on the partition's states are the passes', or the reader's again: then what only this
 * process knew of intents is forgotten. */
void reconciler_accounts_lead(struct reconciler_accounts *a, int32_t partition, bool is_led);
bool reconciler_accounts_leads(const struct reconciler_accounts *a, int32_t partition);

/* Opens records with this ring from now on, also those that no key opened. */
void reconciler_accounts_set_keyring(struct reconciler_accounts *a, const struct keyring *keyring);

/* Puts these declarations in the place of all there were; takes over a reference of each.
 * on_changed is told of each account whose declaration is another. Errors: STATUS_NOMEM: nothing
 * changed, the references are the caller's. */
enum status reconciler_accounts_declare(
    struct reconciler_accounts *a, struct declaration *const declarations[], size_t len,
    void (*on_changed)(void *ctx, struct reconciler_account *account), void *ctx) MUST_CHECK;

/* NULL: there is none. */
struct reconciler_account *reconciler_accounts_find(const struct reconciler_accounts *a,
                                                    const char *account);
size_t reconciler_accounts_len(const struct reconciler_accounts *a);

/* Calls fn for each, in no order; fn adds and removes none. */
void reconciler_accounts_each(struct reconciler_accounts *a,
                              void (*fn)(void *ctx, struct reconciler_account *account), void *ctx);

/* Puts the account into the queue, or out of it (0), or elsewhere in it. */
void reconciler_accounts_schedule(struct reconciler_accounts *a, struct reconciler_account *account,
                                  int64_t due_unix_ms);

/* The one that is due first; NULL: none is in the queue. */
struct reconciler_account *reconciler_accounts_next(const struct reconciler_accounts *a);

/* Forgets the account if nothing is known of it any more and no pass is under way. */
void reconciler_accounts_tidy(struct reconciler_accounts *a, struct reconciler_account *account);
