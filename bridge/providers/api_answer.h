/* What the answers of all providers have in common: verdicts by status, JSON that is looked into,
 * and a sentence about it that gives nothing away. */
#pragma once

#include "bridge/domain/provider_api.h"

/* What the status says of a request with this method. VERDICT_OK: any 2xx; what the body says is
 * for the provider. */
enum provider_verdict api_answer_verdict(enum provider_method method,
                                         const struct provider_answer *answer);

/* Appends the beginning of a stranger's text to what diag says: without control characters and long
 * random words, and not at all when a key of ours stands in it. */
void api_answer_quote(const struct provider_credentials *c, struct bytes text, struct diag *diag);

/* The JSON of an answer to a list (GET) or a create (POST). data == NULL: there is none to look
 * into, and *outcome says what follows; otherwise *outcome is as it was.
 * Source: both vendors document 200 for a list; docs.maesn.com says 200 for a create, Maesn's and
 * Moneybird's OpenAPI say 201.
 * Errors: STATUS_NOMEM.
 */
enum status api_answer_open(const struct provider_credentials *c, enum provider_method method,
                            const struct provider_answer *answer, struct arena *a,
                            struct provider_outcome *outcome, struct bytes *ret) MUST_CHECK;

/* What follows from the answer to a delete or an activate: any 2xx is a success, whatever the body.
 * It is every provider's read_change. */
void api_answer_change(const struct provider_credentials *c, const struct provider_answer *answer,
                       struct provider_outcome *ret);

/* The value of an object's member; data == NULL where there is none or it is null, and where
 * `object` is no object. */
struct bytes api_answer_member(struct bytes object, const char *name);

bool api_answer_is_object(struct bytes value);
bool api_answer_is_array(struct bytes value);

/* Whether errors are absent, null, or empty in any form. */
bool api_answer_is_empty(struct bytes value);

/* The instant, or PROVIDER_TIME_UNKNOWN. */
int64_t api_answer_time(struct bytes value);

/* A whole number from 0 to 10^9. Returns false, with *ret untouched, for anything else. */
bool api_answer_count(struct bytes value, unsigned *ret);

/* A text as a secret, NULL in *ret where there is none, or one that is too long. Errors:
 * STATUS_NOMEM. */
enum status api_answer_secret(struct bytes value, struct arena *a, struct secret **ret) MUST_CHECK;
