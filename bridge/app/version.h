/* What this program is made of. */
#pragma once

#include "bridge/base/buf.h"

/* "0.1.0". Static. */
const char *version_text(void);

/* The day the version was made, "2026-12-31". Static. */
const char *version_date(void);

/* Prints the version and those of the libraries, as built and as loaded, to stdout. */
void version_print(void);

/* Appends the same as a JSON object: the body of /version. */
void version_json(struct buf *ret);
