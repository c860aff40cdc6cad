/* What passes over accounts came to, as a person reads it, as a program does, and as an exit code.
 */
#pragma once

#include "bridge/app/pass_report.h"
#include "bridge/base/buf.h"
#include "bridge/cli/command.h"

/* How many there are of each. */
struct report_summary {
    size_t accounts;
    size_t settled; /* accounts in which nothing differs */
    size_t by_action[PLAN_ACTIONS];
    size_t replacements;              /* of by_action[PLAN_CREATE] */
    size_t differences;               /* of all steps */
    size_t blocked, invalid, unknown; /* accounts */
};

struct report_summary report_view_summary(const struct pass_report *report);

/* What `plan` ends with: the first that applies of 69, 1, 2 and 0. */
enum exit_code report_view_exit_code(const struct pass_report *report);

/* "blocked", "unknown" or "invalid"; NULL: the account's steps say it all. Static. */
const char *report_view_verdict(const struct reported_account *account);

/* Appends the account's differences and what waits, under its name; nothing if there is nothing. */
void report_view_print_account(const struct reported_account *account, int64_t now_unix_ms,
                               bool with_colour, struct buf *ret);

/* Appends why deletes are withheld, if they are. */
void report_view_print_guard(const struct pass_report *report, bool with_colour, struct buf *ret);

/* Appends the plan, and what it comes to. */
void report_view_print(const struct pass_report *report, int64_t now_unix_ms, bool with_colour,
                       struct buf *ret);

/* Appends a JSON array of the account's steps; an object of the counts, or null. */
void report_view_print_steps_json(const struct reported_account *account, struct buf *ret);
void report_view_print_guard_json(const struct pass_report *report, struct buf *ret);

/* Appends it as one JSON object; deploy/schemas/plan.schema.json describes it. */
void report_view_print_json(const struct pass_report *report, struct buf *ret);
