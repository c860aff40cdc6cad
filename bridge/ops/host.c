#include "bridge/ops/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Source: RFC 1035 section 2.3.4. */
#define NAME_MAX_LEN 253

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

bool host_is_local(const char *host)
{
    if (host == NULL || host[0] == '[') /* nothing but an IPv6 address has a bracket */
        return true;
    char name[NAME_MAX_LEN + 1];
    size_t len = strcspn(host, ":");
    if (len > NAME_MAX_LEN)
        return false;
    memcpy(name, host, len);
    if (len > 0 && name[len - 1] == '.') /* of the root */
        len--;
    name[len] = '\0';
    struct in_addr address;
    return strchr(name, '.') == NULL || ends_with(name, ".localhost") ||
           inet_pton(AF_INET, name, &address) == 1;
}

bool host_address_is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->ss_family != AF_INET6)
        return false;
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) ||
           (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == IN_LOOPBACKNET);
}
