/* Which callbacks were accepted lately, so that one that comes again is counted. It is never
 * refused: Maesn gives no delivery id, so two true changes inside one second can be byte-identical,
 * and a sender that did not hear our answer has to come again.
 *
 * A word each, in a table that never grows: what is beyond it, or noted by two threads at the same
 * time, is forgotten. The count is a lower bound.
 */
#pragma once

#include "bridge/base/bytes.h"
#include "bridge/base/status.h"

struct replays;

/* Owns: on STATUS_OK the caller frees *ret with replays_free(). Errors: STATUS_NOMEM. */
enum status replays_new(struct replays **ret) MUST_CHECK;
void replays_free(struct replays *r);

/* 0: nothing is noted. Thread: any. */
void replays_set_window(struct replays *r, uint32_t window_s);

/* Notes a callback by the ce_id of its first event. Returns whether it was noted within the window
 * before. Thread: any, no lock. */
bool replays_note(struct replays *r, struct bytes ce_id, int64_t now_mono_ms);
