#include "bridge/registry/registry_key.h"

#include <stdio.h>

#include "bridge/domain/murmur2.h"

static const char account_prefix[] = "/account/", request_prefix[] = "/request/";

/* Copies the account id behind the prefix. Returns false if the key has another form. */
static bool read_account(struct bytes key, const char *prefix, char ret[ACCOUNT_ID_MAX + 1])
{
    size_t len = strlen(prefix);
    if (key.len <= len || key.len - len > ACCOUNT_ID_MAX || memcmp(key.data, prefix, len) != 0 ||
        memchr(key.data, '\0', key.len) != NULL)
        return false;
    char id[ACCOUNT_ID_MAX + 1] = "";
    memcpy(id, key.data + len, key.len - len);
    if (!account_id_is_valid(id))
        return false;
    memcpy(ret, id, sizeof(id));
    return true;
}

struct registry_key registry_key_read(struct bytes key)
{
    struct registry_key read = {.kind = REGISTRY_KEY_UNKNOWN};
    if (read_account(key, account_prefix, read.account)) {
        read.kind = REGISTRY_KEY_ACCOUNT;
    } else if (read_account(key, request_prefix, read.account)) {
        read.kind = REGISTRY_KEY_REQUEST;
    } else if (read_account(key, "", read.account)) {
        read.kind = REGISTRY_KEY_DECLARATION;
    } else if (callback_url_read_key(key, &read.url)) {
        memcpy(read.account, read.url.specification.account, sizeof(read.account));
        read.kind = REGISTRY_KEY_ROUTE;
    }
    return read;
}

void registry_key_of_account(const char *account, char ret[REGISTRY_KEY_SIZE])
{
    snprintf(ret, REGISTRY_KEY_SIZE, "%s%s", account_prefix, account);
}

void registry_key_of_request(const char *account, char ret[REGISTRY_KEY_SIZE])
{
    snprintf(ret, REGISTRY_KEY_SIZE, "%s%s", request_prefix, account);
}

int32_t registry_key_partition(const char *account, int32_t partitions)
{
    return murmur2_partition(bytes_of_text(account), partitions);
}
