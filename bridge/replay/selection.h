/* Which dead letters an operator means. */
#pragma once

#include "bridge/domain/dead_letter.h"

#define SELECTION_ACCOUNTS_MAX 16

/* All zero but `until_unix_ms` = INT64_MAX: every letter. */
struct selection {
    bool reasons[DEAD_LETTER_REASONS];
    bool by_reason; /* only those reasons */
    const char *accounts[SELECTION_ACCOUNTS_MAX];
    size_t accounts_len; /* 0: every account */
    int64_t since_unix_ms;
    int64_t until_unix_ms; /* not included */
};

/* By reason, account, and when the callback came (ce_recordedtime). */
bool selection_takes(const struct selection *s, const struct dead_letter *letter);

/* Whether it takes a letter that cannot be read: only of its time something is known, when it was
 * written. */
bool selection_takes_unreadable(const struct selection *s, int64_t written_at_unix_ms);

/* The reason of this name, DEAD_LETTER_NONE for none. */
enum dead_letter_reason selection_reason(const char *name);

/* Reads an RFC 3339 date-time, or how long ago it was: "90s", "30m", "2h", "7d", "2w". Returns
 * false, with *ret untouched, for anything else. */
bool selection_instant(const char *text, int64_t now_unix_ms, int64_t *ret_unix_ms);
