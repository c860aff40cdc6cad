/* Tells an API key that is refused from an account that is: a provider answers both with 403. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bridge/domain/account.h"

/* Starts as a zero value, one for each provider. */
struct api_key_watch {
    unsigned forbidden; /* accounts in a row, without a success between */
    char last[ACCOUNT_ID_MAX + 1];
    bool is_refused;
    int64_t next_test_mono_ms;
};

/* An account was answered 403. Returns whether the API key is now taken as refused. */
bool api_key_watch_forbidden(struct api_key_watch *w, const char *account);

/* A list was answered. Returns whether the API key was refused until now: the blocks of accounts
 * are then to be tried at once. */
bool api_key_watch_succeeded(struct api_key_watch *w);

/* Whether a pass may begin; while the key is refused, one in an interval. */
bool api_key_watch_may_call(struct api_key_watch *w, int64_t now_mono_ms, int64_t interval_ms);
