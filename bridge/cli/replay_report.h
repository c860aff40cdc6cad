/* What a replay did, or would do, for people and for programs. */
#pragma once

#include "bridge/app/replay_run.h"
#include "bridge/base/buf.h"

struct replay_report_view {
    const struct replay_report *report;
    const char *topic; /* of the dead letters */
    bool is_executed;  /* false: a dry run */
};

/* Appends a table, an example of each group, and what it comes to. Errors: ret->status. */
void replay_report_print(const struct replay_report_view *v, bool with_colour, struct buf *ret);

/* Appends deploy/schemas/replay.schema.json's document. Errors: ret->status. */
void replay_report_print_json(const struct replay_report_view *v, struct buf *ret);

/* Appends one line for a terminal: how far it is. Errors: ret->status. */
void replay_report_print_progress(const struct replay_report_view *v, struct buf *ret);
