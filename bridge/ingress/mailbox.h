/* A list that any thread appends to and one loop thread empties, woken through an eventfd. */
#pragma once

#include "bridge/base/status.h"

struct mailbox;

/* Lives inside what is sent; the mailbox never frees it. */
struct mailbox_node {
    struct mailbox_node *next;
};

/* Owns:   on STATUS_OK the caller holds one reference of *ret.
 * Errors: STATUS_NOMEM, also when there is no file descriptor left.
 */
enum status mailbox_new(struct mailbox **ret) MUST_CHECK;

/* Thread: any. mailbox_unref(NULL) is fine. */
struct mailbox *mailbox_ref(struct mailbox *m);
void mailbox_unref(struct mailbox *m);

/* Readable once something was pushed or mailbox_wake() was called. */
int mailbox_fd(const struct mailbox *m);

/* Thread: any that holds a reference; no lock; writes the eventfd only if the list was empty. */
void mailbox_push(struct mailbox *m, struct mailbox_node *node);
void mailbox_wake(struct mailbox *m);

/* All that was pushed since the last call, oldest first; NULL: nothing. Thread: the loop's. */
struct mailbox_node *mailbox_take(struct mailbox *m);
