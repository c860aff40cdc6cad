/* What the registry and the activity topic say of subscriptions, gathered for people and programs.
 */
#pragma once

#include "bridge/cli/registry_access.h"
#include "bridge/registry/account_record.h"
#include "bridge/registry/route_record.h"

struct surveyed_route {
    struct route_record *record; /* NULL: it cannot be read */
    struct callback_url url;
    const char *unreadable;     /* why; NULL: it can be read */
    int64_t last_event_unix_ms; /* 0: none is known */
    bool is_silent;             /* route_record_is_silent() */
};

struct surveyed_account {
    struct account_record *record; /* NULL: it cannot be read */
    char account[ACCOUNT_ID_MAX + 1];
    const char *unreadable;
};

struct subscription_survey {
    const char *account;           /* only of this one; NULL: of all */
    bool with_retired;             /* also what is deleted at the provider and still verifies */
    struct arena *arena;           /* NULL: memory was short */
    struct surveyed_route *routes; /* by provider, account, resource, event, generation */
    size_t routes_len;
    size_t routes_capacity;
    struct surveyed_account *accounts; /* by id */
    size_t accounts_len;
    size_t accounts_capacity;
    size_t unreadable;
    enum status status;
};

/* account is borrowed. */
void subscription_survey_init(struct subscription_survey *s, const char *account,
                              bool with_retired);
void subscription_survey_done(struct subscription_survey *s);

/* Takes the registry's rows, which the keyring opens. Errors: STATUS_NOMEM. */
enum status subscription_survey_add_registry(struct subscription_survey *s,
                                             const struct topic_rows *rows, const char *topic,
                                             const struct keyring *keyring) MUST_CHECK;

/* Finds the last event of each route in the activity topic's rows. */
void subscription_survey_add_activity(struct subscription_survey *s, const struct topic_rows *rows,
                                      int32_t partitions);

/* Says of each active route whether it was not heard for so long. After
 * subscription_survey_add_activity(). */
void subscription_survey_judge_silence(struct subscription_survey *s, int64_t silent_after_ms,
                                       int64_t now_unix_ms);

/* Appends it as one JSON object; deploy/schemas/subscriptions.schema.json describes it. */
void subscription_survey_print_json(const struct subscription_survey *s, struct buf *ret);

/* Appends it as a table, or account by account with everything that is known. */
void subscription_survey_print_table(const struct subscription_survey *s, int64_t now_unix_ms,
                                     bool with_colour, struct buf *ret);
void subscription_survey_print_details(const struct subscription_survey *s, int64_t now_unix_ms,
                                       bool with_colour, struct buf *ret);
