/* Every account there is, by its id: what the registry's records say of it, what is declared of it.
 *
 * The registry topic is read whole, also the partitions that others lead. While a partition is led
 * here the passes know better than the topic, which tells them late what they themselves have
 * written: a record that differs from the state is then kept aside, until the reader's word counts
 * again.
 */
#pragma once

#include "bridge/app/declaration.h"
#include "bridge/app/reported_plan.h"
#include "bridge/base/keyring.h"
#include "bridge/reconciler/account_state.h"
#include "bridge/reconciler/pass.h"
#include "bridge/reconciler/schedule.h"
#include "bridge/registry/request_record.h"

struct reconciler_accounts;
struct kept_record;
struct running_pass;

/* A plain struct, the passes' too. */
struct reconciler_account {
    char id[ACCOUNT_ID_MAX + 1];
    int32_t partition; /* -1: not known yet */
    struct account_state state;
    uint64_t changes;             /* of its records, that were read */
    struct kept_record *kept;     /* records aside, and those that no key opens */
    size_t unreadable;            /* how many of the latter */
    struct declaration *by_files; /* references; NULL: it is not declared there */
    struct declaration *by_topic;
    struct declaration *declared;    /* of the two the one in force: the files' goes first */
    bool is_undecipherable;          /* the topic declares it in a record that cannot be read */
    struct request_record *request;  /* the latest of a command; NULL: none */
    struct running_pass *running;    /* NULL: none; whose state it is then */
    struct schedule_slot slot;       /* the passes' */
    struct pass_result last;         /* of the last pass */
    int64_t last_ended_unix_ms;      /* 0: there was none */
    size_t differences;              /* in the last plan */
    struct reported_plan plan;       /* the last one, for people */
    size_t silent;                   /* subscriptions, when they were last counted */
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

/* The group has given us the partition, or has taken it back: what it holds is counted here, also
 * before it is led. */
void reconciler_accounts_own(struct reconciler_accounts *a, int32_t partition, bool is_ours);
bool reconciler_accounts_owns(const struct reconciler_accounts *a, int32_t partition);

/* From now on the partition's states are the passes', or the reader's again: then what only this
 * process knew of intents is forgotten. */
void reconciler_accounts_lead(struct reconciler_accounts *a, int32_t partition, bool is_led);
bool reconciler_accounts_leads(const struct reconciler_accounts *a, int32_t partition);

/* Opens records with this ring from now on, also those that no key opened. */
void reconciler_accounts_set_keyring(struct reconciler_accounts *a, const struct keyring *keyring);

/* Puts these declarations of the files in the place of all that they had; takes over a reference of
 * each. on_changed is told of each account whose declaration is another. Errors: STATUS_NOMEM:
 * nothing changed, the references are the caller's. */
enum status reconciler_accounts_declare(
    struct reconciler_accounts *a, struct declaration *const declarations[], size_t len,
    void (*on_changed)(void *ctx, struct reconciler_account *account), void *ctx) MUST_CHECK;

/* Puts what the accounts topic says of one account in the place of what it said: a declaration, of
 * which a reference is taken over on every path, or NULL; unreadable: it says something that nobody
 * can read. *ret_changed tells whether another declaration is in force. Errors: STATUS_NOMEM:
 * nothing changed. */
enum status reconciler_accounts_declare_take(struct reconciler_accounts *a, const char *account,
                                             struct declaration *declaration, bool is_unreadable,
                                             bool *ret_changed) MUST_CHECK;

/* Puts a request in the place of the account's former one; takes it on every path. An account of
 * which nothing is known has none. Returns the account, or NULL. */
struct reconciler_account *reconciler_accounts_request_take(struct reconciler_accounts *a,
                                                            struct request_record *request);

/* The provider has said that the account's key is revoked; the newest word counts. The account is
 * kept in mind even if nothing else is known of it. Returns it; NULL: memory is short. */
struct reconciler_account *reconciler_accounts_revoke(struct reconciler_accounts *a,
                                                      const char *account, int64_t at_unix_ms);

/* Whether all that is known of the account can be read; diag, which may be NULL, says what cannot.
 */
bool reconciler_accounts_can_read(const struct reconciler_account *account, struct diag *diag);

/* Whether nothing is left to look after: it is not declared, and the registry has nothing of it. */
bool reconciler_accounts_is_gone(const struct reconciler_account *account);

/* NULL: there is none. */
struct reconciler_account *reconciler_accounts_find(const struct reconciler_accounts *a,
                                                    const char *account);
size_t reconciler_accounts_len(const struct reconciler_accounts *a);

/* Calls fn for each, in no order; fn adds and removes none. */
void reconciler_accounts_each(struct reconciler_accounts *a,
                              void (*fn)(void *ctx, struct reconciler_account *account), void *ctx);

/* For who looks at them in several turns: each is in one slot, and stays there as long as there are
 * so many slots. Calls fn for each in the slots from `first`, at most `len` of them, as above. */
size_t reconciler_accounts_slots(const struct reconciler_accounts *a);
void reconciler_accounts_each_of(struct reconciler_accounts *a, size_t first, size_t len,
                                 void (*fn)(void *ctx, struct reconciler_account *account),
                                 void *ctx);

/* Forgets the account if nothing is known of it any more and no pass is under way or to come. */
void reconciler_accounts_tidy(struct reconciler_accounts *a, struct reconciler_account *account);
