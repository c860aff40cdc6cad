#include "bridge/ingress/daemon.h"

#include <microhttpd.h>
#include <stdarg.h>

#include "bridge/base/clock.h"
#include "bridge/ingress/loop.h"
#include "bridge/ingress/room.h"

/* Connections beyond the limit that are cut but not closed yet. */
static const size_t spare_connections = 64;

/* Bytes a connection: its request line and header block, of almost as many, and beside them what is
 * read of the body at once. libmicrohttpd (0.9.75, memorypool.c, MHD_pool_reset()) clears all of it
 * after each request. */
static const size_t connection_pool = 8192;

/* --- libmicrohttpd's callbacks --------------------------------------------------------------- */

/* libmicrohttpd closes in the middle of a request without a word: its client sends no more, but may
 * well read. With TLS the session is gone by now. */
static void refuse_unfinished(struct connection *c, bool is_silent)
{
    request_count(c, ANSWER_MALFORMED, "");
    if (is_silent && c->loop->shared->tls == NULL)
        connection_refuse(c, ANSWER_MALFORMED);
}

/* The connection ends before its first request line. On a first line that is none libmicrohttpd
 * 0.9.75 closes without a word (measured), 1.0.1 answers; neither tells. */
static void end_without_request(struct connection *c)
{
    uint64_t received, sent;
    if (c == NULL || c->phase != PHASE_HEADER || c->has_request_line)
        return;
    connection_traffic(c, &received, &sent);
    if (received > 1)
        refuse_unfinished(c, sent == 0);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct loop *l = ctx;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&l->shared->connections, 1);
        *socket_context = connection_new(l, mhd);
        room_for_connection(l, *socket_context);
        return;
    }
    struct connection *c = *socket_context;
    *socket_context = NULL;
    atomic_fetch_sub(&l->shared->connections, 1);
    end_without_request(c);
    if (c != NULL && c->phase == PHASE_PUBLISHING)
        connection_orphan(c);
    else
        connection_free(c);
}

static void *on_request_line(void *ctx, const char *target, struct MHD_Connection *mhd)
{
    (void)ctx, (void)target;
    struct connection *c = connection_of(mhd);
    if (c == NULL || c->phase == PHASE_CUT)
        return NULL;
    if (c->phase == PHASE_IDLE)
        connection_enter(c, PHASE_HEADER);
    c->has_request_line = true;
    return NULL;
}

/* The path is decoded in framing.c, where an encoded NUL is noticed; the query is not read. */
static size_t leave_escaped(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx, (void)mhd;
    return strlen(text);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *target,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **request_context)
{
    (void)ctx, (void)version, (void)request_context;
    struct connection *c = connection_of(mhd);
    struct bytes piece = bytes_of(data, *data_len);
    *data_len = 0;
    if (c == NULL)
        return MHD_NO;
    bool goes_on = false;
    switch (c->phase) {
    case PHASE_IDLE:
    case PHASE_HEADER:
        goes_on = request_begin(c, target, method);
        break;
    case PHASE_BODY:
        goes_on = piece.len > 0 ? request_gather(c, piece) : request_complete(c);
        break;
    case PHASE_PUBLISHING:
        connection_stand_by(c);
        return MHD_YES;
    case PHASE_HELD:
    case PHASE_DELAYED: /* a call without a reason: nothing has changed */
        connection_suspend(c);
        goes_on = true;
        break;
    case PHASE_DECIDED:
        goes_on = request_reply(c);
        break;
    case PHASE_ANSWERING:
        goes_on = true;
        break;
    case PHASE_CUT:
        break;
    }
    c->loop->has_progressed = true;
    return goes_on ? MHD_YES : MHD_NO;
}

/* What libmicrohttpd answered by itself: it found fault before, or after, the handler was asked. */
static void count_own_answer(struct connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    if (info == NULL || c->request.counted)
        return;
    enum answer answer = ANSWER_MALFORMED;
    if (info->http_status == MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE)
        answer = ANSWER_HEADER_TOO_LARGE;
    else if (info->http_status == MHD_HTTP_CONTENT_TOO_LARGE)
        answer = ANSWER_BODY_TOO_LARGE;
    request_count(c, answer, "");
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx, (void)request_context;
    struct connection *c = connection_of(mhd);
    if (c == NULL || c->phase == PHASE_PUBLISHING)
        return;
    if (c->phase == PHASE_DECIDED && !c->request.counted) /* its client has just gone */
        request_count(c, c->request.answer, NULL);
    count_own_answer(c);
    if (code == MHD_REQUEST_TERMINATED_CLIENT_ABORT && !c->request.counted &&
        (c->phase == PHASE_HEADER || c->phase == PHASE_BODY))
        refuse_unfinished(c, true);
    request_done(c);
    if (c->phase != PHASE_CUT)
        connection_enter(c, PHASE_IDLE);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *format,
                                                         va_list args)
{
    (void)ctx, (void)format, (void)args; /* it tells of clients that went away; we count those */
}

/* --- the daemon ------------------------------------------------------------------------------ */

struct MHD_Daemon *daemon_start(struct loop *l)
{
    struct shared *s = l->shared;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls_options[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_priorities},
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_retrieve()},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem *more = s->tls == NULL ? &tls_options[2] : tls_options;
    /* MHD_USE_TURBO leaves the sending side open until the end is told (daemon.c, connection.c), so
     * that it can be answered; with TLS the session is gone by then, and its closing alert is worth
     * more. The logger is the first option, so that it hears of the others. A timeout of
     * libmicrohttpd's own would be one of inactivity, which a byte a second keeps alive. */
    return MHD_start_daemon(
        flags | (s->tls == NULL ? MHD_USE_TURBO : MHD_USE_TLS), 0, NULL, NULL, on_request, l,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, l, MHD_OPTION_LISTEN_SOCKET, l->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(s->opt.connections_max + spare_connections),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_pool, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_URI_LOG_CALLBACK, on_request_line,
        l, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
}
