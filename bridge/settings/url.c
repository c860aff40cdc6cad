#include "bridge/settings/url.h"

#include <stdio.h>
#include <string.h>

#include "bridge/base/address.h"

/* RFC 3986 section 2, less what a base must not have: user ("@"), query and fragment. */
static const char url_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]!$&'()*+,;=%";

static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* host, [v6], host:port or [v6]:port; the port from 1. */
static bool authority_is_valid(const char *text, size_t len)
{
    char copy[300];
    if (len == 0 || len >= sizeof(copy) - sizeof(":1"))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    bool has_port = strrchr(copy, ':') != NULL && copy[len - 1] != ']';
    struct address address;
    if (!has_port)
        memcpy(copy + len, ":1", sizeof(":1"));
    return address_parse(copy, &address, NULL) == STATUS_OK && address.host[0] != '\0' &&
           address.port != 0;
}

/* What follows "scheme://". */
static bool rest_is_valid(const char *rest)
{
    size_t len = strlen(rest);
    return strspn(rest, url_characters) == len && len > 0 && rest[len - 1] != '/' &&
           authority_is_valid(rest, strcspn(rest, "/"));
}

static bool is_loopback(const char *rest)
{
    static const char *const hosts[] = {"localhost", "[::1]", NULL};
    size_t len = strcspn(rest, "/");
    for (size_t i = 0; hosts[i] != NULL; i++) {
        const char *end = after(rest, hosts[i]);
        if (end != NULL && (end == rest + len || *end == ':'))
            return true;
    }
    return after(rest, "127.") != NULL && strspn(rest, "0123456789.:") >= len;
}

bool url_is_base(const char *text)
{
    const char *https = after(text, "https://"), *http = after(text, "http://");
    return (https != NULL && rest_is_valid(https)) || (http != NULL && rest_is_valid(http));
}

bool url_is_public_base(const char *text)
{
    const char *http = after(text, "http://");
    return url_is_base(text) && (http == NULL || is_loopback(http));
}

/* The length of the protocol that it begins with; 0: none. */
static size_t protocol_len(const char *text, size_t len)
{
    static const char *const protocols[] = {"PLAINTEXT://", "SSL://", "SASL_PLAINTEXT://",
                                            "SASL_SSL://", NULL};
    for (size_t i = 0; protocols[i] != NULL; i++) {
        size_t prefix_len = strlen(protocols[i]);
        if (len > prefix_len && memcmp(text, protocols[i], prefix_len) == 0)
            return prefix_len;
    }
    return 0;
}

static bool broker_is_valid(const char *text, size_t len)
{
    size_t prefix_len = protocol_len(text, len);
    text += prefix_len;
    len -= prefix_len;
    bool only_host_characters = strspn(text, url_characters) >= len &&
                                memchr(text, '/', len) == NULL && memchr(text, '@', len) == NULL;
    const char *colon = memrchr(text, ':', len);
    return only_host_characters && colon != NULL && colon != text && text[len - 1] != ']' &&
           authority_is_valid(text, len);
}

bool url_is_broker_list(const char *text)
{
    for (;;) {
        size_t len = strcspn(text, ",");
        while (len > 0 && *text == ' ') { /* "a:1, b:1" */
            text++;
            len--;
        }
        if (len == 0 || !broker_is_valid(text, len))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}
