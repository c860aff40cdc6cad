/* Sockets whose last answer went out before all of the request was read: closing them at once would
 * make the kernel reset the connection, and the reset may overtake the answer. They are read to
 * their end, bounded in number, time and bytes.
 * Source: RFC 9112 section 9.6; nginx calls it lingering_close.
 */
#pragma once

#include "bridge/base/status.h"
#include "bridge/ingress/deadline.h"

struct lingering {
    int epoll_fd;
    struct deadline_fifo fifo;
};

/* Errors: STATUS_NOMEM, also when there is no file descriptor left. */
enum status lingering_init(struct lingering *l) MUST_CHECK;

/* Closes what is left. */
void lingering_done(struct lingering *l);

/* Keeps a duplicate of the socket until the client has closed its side. A socket too many takes the
 * place of the oldest. */
void lingering_add(struct lingering *l, int fd, int64_t now_mono_ms);

/* Reads what has come and closes what is over. */
void lingering_run(struct lingering *l, int64_t now_mono_ms);
