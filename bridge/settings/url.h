/* The forms of addresses that settings take. */
#pragma once

#include <stdbool.h>

#define URL_BASE_EXPECTATION "an http or https URL without user, query, fragment and trailing slash"
#define URL_PUBLIC_BASE_EXPECTATION                                                                \
    "an https URL (http for a loopback host) without user, query, fragment and trailing slash"

/* An http or https URL to which a path can be appended. */
bool url_is_base(const char *text);

/* The same; http only for a loopback host. */
bool url_is_public_base(const char *text);

/* [PROTOCOL://]host:port, with commas between them. */
bool url_is_broker_list(const char *text);
