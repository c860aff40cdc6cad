/* The keys of records in the registry topic and in the accounts topic, and the partition they
 * belong to: that of their account. */
#pragma once

#include "bridge/domain/callback_url.h"

enum registry_key_kind {
    REGISTRY_KEY_UNKNOWN = 0, /* none of ours: left alone */
    REGISTRY_KEY_ROUTE,       /* "/in/maesn/acme-42/journal-entry/created/1795293215356" */
    REGISTRY_KEY_ACCOUNT,     /* "/account/acme-42", in the registry topic */
    REGISTRY_KEY_REQUEST,     /* "/request/acme-42", in the accounts topic */
    REGISTRY_KEY_DECLARATION, /* "acme-42", in the accounts topic */
};

struct registry_key {
    enum registry_key_kind kind;
    char account[ACCOUNT_ID_MAX + 1]; /* "" if unknown */
    struct callback_url url;          /* of a route */
};

/* Longest key of ours with its NUL: a route's. */
#define REGISTRY_KEY_SIZE CALLBACK_URL_KEY_SIZE

struct registry_key registry_key_read(struct bytes key);

/* "/account/acme-42" and "/request/acme-42". */
void registry_key_of_account(const char *account, char ret[REGISTRY_KEY_SIZE]);
void registry_key_of_request(const char *account, char ret[REGISTRY_KEY_SIZE]);

/* Where the account's records are; partitions is at least 1. A record found elsewhere means that
 * the topic was resized. */
int32_t registry_key_partition(const char *account, int32_t partitions);
