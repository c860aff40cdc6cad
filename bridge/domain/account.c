#include "bridge/domain/account.h"

#include <string.h>

bool account_id_is_valid(const char *id)
{
    size_t len = strlen(id);
    return len >= 1 && len <= ACCOUNT_ID_MAX && id[0] != '-' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}
