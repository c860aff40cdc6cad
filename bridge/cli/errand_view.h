/* What came of an errand, as a person reads it, as a program does, and as an exit code. */
#pragma once

#include "bridge/cli/errand.h"

/* What a command ends with whose errand was run: the first that applies of 69, 1 and 0. */
enum exit_code errand_view_exit_code(const struct errand *e, const struct pass_report *report);

/* Appends what was done for an account, and what failed; nothing if there is nothing. */
void errand_view_print_line(const struct reported_account *account,
                            const struct errand_account *mark, bool with_colour, struct buf *ret);

/* Appends what is left, account by account, and what it all came to. */
void errand_view_print(const struct errand *e, const struct pass_report *report,
                       int64_t now_unix_ms, struct buf *ret);

/* Appends it as one JSON object; deploy/schemas/apply.schema.json describes it. */
void errand_view_print_json(const struct errand *e, const struct pass_report *report,
                            struct buf *ret);
