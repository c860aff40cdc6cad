/* One pass over every account there is, in this process: for commands.
 *
 * Planning reads everything, lists at the providers and writes nothing. Carrying out joins the
 * reconcilers' group first, and is fenced as they are: where others are in the group it leaves.
 */
#pragma once

#include "bridge/app/pass_report.h"
#include "bridge/registry/request_record.h"
#include "bridge/settings/settings.h"

struct one_pass;

/* Borrowed until the end. */
struct one_pass_options {
    const struct settings *settings;
    bool only_plans;
    const char *account; /* only this one; NULL: all */
    /* What each of these accounts is asked for, whatever stands in the accounts topic; its account
     * does not count. NULL: nothing. */
    const struct request_record *request;
    /* So many of all have had their pass; several times a second. May be NULL. Thread: the one that
     * waits. */
    void (*on_progress)(void *ctx, size_t ended, size_t all);
    /* Whether to give up, asked as often. May be NULL. Thread: likewise. */
    bool (*is_cancelled)(void *ctx);
    void *ctx;
};

/* Starts to read; see one_pass_await().
 * Owns:   on STATUS_OK the caller ends it with one_pass_free().
 * Errors: STATUS_INVALID a key file, a setting or a topic is not as it must be. STATUS_UNAVAILABLE
 *         a topic is missing, or the brokers are away. STATUS_NOMEM. diag says which.
 */
enum status one_pass_new(const struct one_pass_options *opt, struct one_pass **ret,
                         struct diag *diag) MUST_CHECK;

/* Waits until each account has had its pass.
 * Errors: STATUS_BUSY others have joined the group, or it was cancelled: not every account had its
 *         pass.
 *         STATUS_INVALID, STATUS_UNAVAILABLE as one_pass_new(), found out later. STATUS_NOMEM.
 */
enum status one_pass_await(struct one_pass *p, struct diag *diag) MUST_CHECK;

enum one_pass_again {
    ONE_PASS_NOT_AGAIN = 0,
    ONE_PASS_AGAIN_IF_CHANGED, /* if the account's records have changed since */
    ONE_PASS_AGAIN,
};

/* Plans again, for one_pass_await() to wait for: `wants` is asked for each account, by its index in
 * the report. Returns how many of those it wants have changed. Only of passes that plan. */
size_t one_pass_again(struct one_pass *p, enum one_pass_again (*wants)(void *ctx, size_t index),
                      void *ctx);

/* What the account could take over; *ret_url is what it is for.
 * Errors: STATUS_INVALID it could not, or is not declared; diag says why. STATUS_NOMEM. */
enum status one_pass_check_adoption(struct one_pass *p, const char *account,
                                    const struct adoption *adoption, struct callback_url *ret_url,
                                    struct diag *diag) MUST_CHECK;

/* Whether an active route of the account holds the provider's id. */
bool one_pass_holds(struct one_pass *p, const char *account, const char *provider_id);

/* Whether the registry has anything of the account. */
bool one_pass_knows(struct one_pass *p, const char *account);

/* Whether an active route, of the account or, where it is NULL, of any, is for the resource. */
bool one_pass_has_resource(struct one_pass *p, const char *account, const char *resource);

/* Whether an active route of the account, for the resource or, where it is NULL, for any, is still
 * the one from before the instant. */
bool one_pass_has_older(struct one_pass *p, const char *account, const char *resource,
                        int64_t before_unix_ms);

/* What is known until now; it does not change until one_pass_unlock(). */
const struct pass_report *one_pass_lock(struct one_pass *p);
void one_pass_unlock(struct one_pass *p);

/* Leaves the group. one_pass_free(NULL) is fine. */
void one_pass_free(struct one_pass *p);
