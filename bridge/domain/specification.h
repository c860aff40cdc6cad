/* What a subscription is for: one account's changes of one resource, of one event type. It stays
 * the same when the subscription is renewed: generations of it come and go. */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/domain/account.h"

/* Characters of a part, without the NUL. Resources and event types are cut to it. */
#define SPECIFICATION_PART_MAX 64
#define SPECIFICATION_PROVIDER_MAX 31

/* "maesn/acme-42/journal-entry/created" and its NUL. */
#define SPECIFICATION_TEXT_SIZE                                                                    \
    (SPECIFICATION_PROVIDER_MAX + 1 + ACCOUNT_ID_MAX + 1 + 2 * (SPECIFICATION_PART_MAX + 1))

/* A part that stands for every resource, or every event type. */
#define SPECIFICATION_ALL "all"

/* A plain value: it is copied by assignment. Each part is lower kebab case, as in a callback URL.
 */
struct specification {
    char provider[SPECIFICATION_PROVIDER_MAX + 1];
    char account[ACCOUNT_ID_MAX + 1];
    char resource[SPECIFICATION_PART_MAX + 1]; /* "journal-entry", or SPECIFICATION_ALL */
    char event[SPECIFICATION_PART_MAX + 1];    /* "created", or SPECIFICATION_ALL */
};

/* Fills *ret from the provider's and the account's name and a resource and an event type in any
 * form ("JOURNAL_ENTRY"; NULL: all). Returns false if one of them has no form in a URL: a name that
 * is none, a resource of which no letter or digit is left. *ret is filled then too, each part cut
 * to fit: good for specification_text(), but for no URL.
 */
bool specification_set(struct specification *ret, const char *provider, const char *account,
                       const char *resource, const char *event);

/* "maesn/acme-42/journal-entry/created": what ce_id hashes, and the key of topics.activity. */
void specification_text(const struct specification *s, char ret[SPECIFICATION_TEXT_SIZE]);

/* Reads specification_text() back. Returns false, with *ret undefined, for anything else. */
bool specification_parse(struct bytes text, struct specification *ret);

bool specification_equal(const struct specification *a, const struct specification *b);

/* The name as providers write it, "JOURNAL_ENTRY" of "journal-entry", into ret, which it returns;
 * NULL for SPECIFICATION_ALL: the field is then left out.
 * Source: docs.maesn.com, "Create webhook", 2026: every name is upper case with "_" between words.
 */
const char *specification_wire_name(const char *part, char ret[SPECIFICATION_PART_MAX + 1]);
