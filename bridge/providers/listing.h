/* A listing being read, page by page: trusted only when nothing about it is odd. */
#pragma once

#include "bridge/domain/provider_api.h"

/* A page that makes the listing useless. */
void listing_refuse(struct listing *l, enum provider_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds an entry, or refuses the listing when it has too many. Errors: STATUS_NOMEM. */
enum status listing_add(struct listing *l, const struct listing_entry *entry, struct arena *a)
    MUST_CHECK;

/* Says that all pages were read. Entries that are there twice become one; an id with two URLs, or
 * fewer entries than there are said to be, make the listing useless. */
void listing_complete(struct listing *l, size_t expected_len);
