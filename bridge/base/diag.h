/* The sentence that tells a person what went wrong: "what: the value, the expectation". */
#pragma once

#include "bridge/base/status.h"

struct diag {
    char text[512]; /* empty until something went wrong */
};

/* Fills diag with a sentence, cut to fit, unless a deeper caller has already done so. diag may be
 * NULL. Returns status, so that an error reads `return diag_set(diag, STATUS_INVALID, "...")`.
 */
enum status diag_set(struct diag *diag, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
