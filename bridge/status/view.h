/* Everything that the status page tells, as plain values: gathered by who knows it, printed as HTML
 * and as JSON. Texts are borrowed, and those that came from outside are printed escaped. An instant
 * that is 0, a text that is NULL, a number that is NaN, is not known. */
#pragma once

#include <stdbool.h>

#include "bridge/status/chart.h"
#include "bridge/status/filter.h"

enum tone {
    TONE_PLAIN = 0,
    TONE_GOOD,
    TONE_WARN, /* look at it when there is time */
    TONE_BAD,  /* somebody must act */
};

struct view_check {
    const char *name;
    bool passed;
    bool is_decisive; /* readiness rests on it */
    const char *why;  /* of one that did not pass */
};

struct view_figure {
    const char *name; /* "accounts": for programs */
    const char *title;
    double value;
    enum quantity quantity;
    enum tone tone;
    const char *note; /* a few words below; NULL: none */
};

/* Of counts since the start: rows of texts and, last, a number. */
struct view_table {
    const char *name; /* "provider-calls": for programs */
    const char *title;
    const char *const *columns; /* the last one is of the numbers */
    size_t columns_len;
    const char **cells; /* columns_len - 1 a row */
    double *numbers;    /* one a row */
    size_t rows_len;
};

/* What the last plan wants of a subscription. */
struct view_step {
    const char *action; /* "create" */
    const char *reason;
    const char *detail; /* what the provider said; NULL: nothing */
    bool is_difference;
    int64_t due_unix_ms;
};

struct view_subscription {
    const char *resource;
    const char *event;
    enum subscription_state state;
    int64_t created_at_unix_ms;
    int64_t expires_at_unix_ms;
    int64_t last_event_unix_ms;
    bool is_silent;
    const struct view_step *step; /* NULL: none */
};

struct view_account {
    const char *id;
    const char *provider;
    const char *system;
    bool is_declared;
    enum account_condition condition;
    const char *reason; /* of the condition */
    int64_t since_unix_ms;
    const char *pass_result; /* of the last pass: "complete" */
    int64_t passed_at_unix_ms;
    int64_t next_pass_unix_ms;
    size_t differences;
    size_t by_state[SUBSCRIPTION_STATES];
    size_t silent;
    int64_t soonest_expiry_unix_ms;
    int64_t last_event_unix_ms;
    const struct view_subscription *subscriptions; /* by resource, event, generation */
    size_t subscriptions_len;
    size_t subscriptions_all; /* with those left out here */
};

struct view_accounts {
    const char *unavailable; /* why none can be told; NULL: they can */
    const char *scope;       /* a sentence: which ones are led here */
    size_t all;
    size_t matching;
    size_t by_condition[ACCOUNT_CONDITIONS]; /* of all */
    /* Of those that are led here: */
    size_t subscriptions[SUBSCRIPTION_STATES]; /* by state; none is counted as missing */
    size_t differences;
    size_t silent;
    int64_t soonest_expiry_unix_ms;
    const struct view_account *items; /* a page of those that match: first what is wrong */
    size_t items_len;
};

struct view {
    const char *process; /* "reconciler" */
    const char *version;
    const char *host;
    int64_t started_at_unix_ms;
    int64_t now_unix_ms;
    int64_t now_mono_ms;
    bool is_ready;
    bool is_draining;
    const char *faulty_query; /* what is wrong with what was asked for; NULL: nothing */
    struct filter filter;
    const struct view_check *checks;
    size_t checks_len;
    const struct view_figure *figures;
    size_t figures_len;
    const struct chart *charts;
    size_t charts_len;
    const struct history *history;
    const struct view_table *tables;
    size_t tables_len;
    const struct view_accounts *accounts; /* NULL: this process has none */
};
