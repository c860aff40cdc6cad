/* A create's answer: which subscription was made, and the secret that it signs with. */
#pragma once

#include "bridge/domain/provider_api.h"

/* Fills *ret from the object that a success holds, of which the entry was read; its id and
 * callback_url may be NULL. url_name is what the provider calls the callback's URL.
 * Errors: STATUS_NOMEM. The caller ends *ret with created_done() in any case.
 */
enum status creation_read(struct bytes object, const struct listing_entry *entry,
                          const char *url_name, const char *callback_url, struct arena *a,
                          struct created *ret) MUST_CHECK;
