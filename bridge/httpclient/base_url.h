/* Which URLs may be called: those below a configured base, in plain form. */
#pragma once

#include <stdbool.h>

/* http or https, a host, perhaps a port and a path; no user, query, fragment, trailing slash. */
bool base_url_is_plain(const char *base);

/* Whether the URL is the base with a path or query after it that no reader can take for another
 * place: visible ASCII, no backslash, no fragment, no dot segments however they are written.
 */
bool base_url_covers(const char *base, const char *url);
