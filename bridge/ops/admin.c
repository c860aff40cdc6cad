#include "bridge/ops/admin.h"

#include <microhttpd.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"
#include "bridge/ops/host.h"

/* A scraper, the kubelet's probes and a few people; each connection costs one pool of memory. */
static const unsigned connections_max = 64;
static const size_t connection_memory_bytes = 16384;
static const unsigned idle_timeout_s = 10;

/* METRICS_SERIES_MAX histograms of 17 lines of 200 bytes. */
static const size_t body_max_bytes = 16 << 20;

struct admin {
    struct MHD_Daemon *daemon;
    uint16_t port;
    struct admin_options opt;
};

struct admin_query {
    struct MHD_Connection *connection;
};

/* As admin_page.print(). */
typedef unsigned page_fn(const struct admin *a, bool verbose, struct buf *ret);

struct page {
    const char *path;
    const char *content_type;
    page_fn *print;
    const char *doc; /* one line of the index */
};

/* --- the pages ------------------------------------------------------------------------------- */

static unsigned print_livez(const struct admin *a, bool verbose, struct buf *ret)
{
    return health_ask(a->opt.health, HEALTH_LIVE, verbose, ret) ? 200 : 503;
}

static unsigned print_readyz(const struct admin *a, bool verbose, struct buf *ret)
{
    return health_ask(a->opt.health, HEALTH_READY, verbose, ret) ? 200 : 503;
}

static unsigned print_metrics(const struct admin *a, bool verbose, struct buf *ret)
{
    (void)verbose;
    metrics_print(a->opt.metrics, ret);
    return 200;
}

static unsigned print_version(const struct admin *a, bool verbose, struct buf *ret)
{
    (void)verbose;
    buf_append_text(ret, a->opt.version_json);
    return 200;
}

static unsigned print_config(const struct admin *a, bool verbose, struct buf *ret)
{
    (void)verbose;
    a->opt.print_config(a->opt.print_config_ctx, ret);
    return 200;
}

static unsigned print_rejections(const struct admin *a, bool verbose, struct buf *ret)
{
    (void)verbose;
    rejections_print(a->opt.rejections, ret);
    return 200;
}

static page_fn print_index;

#define PLAIN_TEXT "text/plain; charset=utf-8"

static const struct page pages[] = {
    {"/", PLAIN_TEXT, print_index, "this index"},
    {"/livez", PLAIN_TEXT, print_livez, "200 while the process works; ?verbose lists the checks"},
    {"/readyz", PLAIN_TEXT, print_readyz, "200 while it wants traffic; ?verbose lists the checks"},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", print_metrics, "for Prometheus"},
    {"/version", "application/json", print_version, "of the program and its libraries"},
    {"/debug/config", "application/yaml", print_config, "the settings in force, without secrets"},
    {"/rejections.json", "application/json", print_rejections, "the last refused callbacks"},
};
#define PAGES (sizeof(pages) / sizeof(pages[0]))

static unsigned print_index(const struct admin *a, bool verbose, struct buf *ret)
{
    (void)verbose;
    for (size_t i = 0; i < PAGES; i++)
        buf_printf(ret, "%-18s%s\n", pages[i].path, pages[i].doc);
    for (size_t i = 0; i < a->opt.pages_len; i++)
        buf_printf(ret, "%-18s%s\n", a->opt.pages[i].path, a->opt.pages[i].doc);
    return 200;
}

const char *admin_query_text(const struct admin_query *q, const char *name)
{
    const char *value = NULL;
    enum MHD_Result found = MHD_lookup_connection_value_n(q->connection, MHD_GET_ARGUMENT_KIND,
                                                          name, strlen(name), &value, NULL);
    if (found != MHD_YES)
        return NULL;
    return value == NULL ? "" : value;
}

/* --- HTTP ------------------------------------------------------------------------------------ */

static void response_destroy(struct MHD_Response *response)
{
    if (response != NULL)
        MHD_destroy_response(response);
}

DEFINE_CLEANUP(struct MHD_Response *, response_destroy)

static bool add_header(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

/* Queues an answer whose body MHD frees in the end. MHD itself leaves it out for HEAD. policy: of
 * content security; NULL: none. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code,
                              const char *content_type, const char *policy, struct buf *body)
{
    CLEANUP(response_destroy_scoped)
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO; /* closes the connection */
    *body = (struct buf){0};
    if (!add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) ||
        !add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ||
        !add_header(response, "X-Content-Type-Options", "nosniff") ||
        !add_header(response, "Referrer-Policy", "no-referrer"))
        return MHD_NO;
    if (policy != NULL && !add_header(response, "Content-Security-Policy", policy))
        return MHD_NO;
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED &&
        !add_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD"))
        return MHD_NO;
    return MHD_queue_response(connection, code, response);
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned code,
                                   const char *text)
{
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, body_max_bytes);
    buf_append_text(&body, text);
    return body.status == STATUS_OK ? answer(connection, code, PLAIN_TEXT, NULL, &body) : MHD_NO;
}

static enum MHD_Result answer_page(struct MHD_Connection *connection, const char *content_type,
                                   const char *policy, unsigned code, struct buf *body)
{
    if (body->status != STATUS_OK)
        return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is short\n");
    return answer(connection, code, content_type, policy, body);
}

static enum MHD_Result answer_own(struct MHD_Connection *connection, const struct admin *a,
                                  const struct page *page)
{
    const struct admin_query query = {connection};
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, body_max_bytes);
    unsigned code = page->print(a, admin_query_text(&query, "verbose") != NULL, &body);
    return answer_page(connection, page->content_type, NULL, code, &body);
}

static enum MHD_Result answer_other(struct MHD_Connection *connection,
                                    const struct admin_page *page)
{
    const struct admin_query query = {connection};
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, body_max_bytes);
    unsigned code = page->print(page->ctx, &query, &body);
    return answer_page(connection, page->content_type, page->content_security_policy, code, &body);
}

static enum MHD_Result find_page(struct MHD_Connection *connection, const struct admin *a,
                                 const char *url)
{
    for (size_t i = 0; i < PAGES; i++)
        if (strcmp(url, pages[i].path) == 0)
            return answer_own(connection, a, &pages[i]);
    for (size_t i = 0; i < a->opt.pages_len; i++)
        if (strcmp(url, a->opt.pages[i].path) == 0)
            return answer_other(connection, &a->opt.pages[i]);
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "not found; / lists what there is\n");
}

/* On other interfaces names are as many as there are ways to set up monitoring, and who may connect
 * is for the network to say. */
static bool is_misdirected(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    if (info == NULL || getsockname(info->connect_fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    return host_address_is_loopback(&address) &&
           !host_is_local(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"));
}

/* MHD's handler: called with the headers, then for each piece of a body, then for the answer. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request)
{
    static int headers_seen; /* only its address counts */
    (void)version;
    (void)upload_data;
    if (*request == NULL) {
        *request = &headers_seen;
        /* An answer this early closes the connection, so a body is never read. */
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
            return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        if (is_misdirected(connection))
            return answer_text(connection, MHD_HTTP_MISDIRECTED_REQUEST,
                               "on the loopback interface only localhost, an address or a name "
                               "without a dot is expected as Host\n");
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        *upload_data_size = 0; /* a GET's body means nothing: RFC 9110 section 9.3.1 */
        return MHD_YES;
    }
    return find_page(connection, cls, url);
}

/* --- life-cycle ------------------------------------------------------------------------------ */

enum status admin_new(const struct admin_options *opt, struct admin **ret, struct diag *diag)
{
    struct admin *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return STATUS_NOMEM;
    a->opt = *opt;
    int fd;
    enum status status = address_listen(&opt->listen, false, &fd, &a->port, diag);
    if (status != STATUS_OK) {
        free(a);
        return status;
    }
    /* poll, not epoll: MHD's internal epoll thread waits out its timeout whenever exactly 128
     * events are ready. Source: libmicrohttpd 0.9.75 daemon.c, MHD_epoll(); measured. */
    a->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, handle, a, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        connection_memory_bytes, MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout_s, MHD_OPTION_END);
    if (a->daemon == NULL) {
        /* The socket is left open if it still is: whether MHD has closed it depends on how far it
         * came (measured with 0.9.75), and closing somebody else's descriptor would be worse. */
        free(a);
        return diag_set(diag, STATUS_UNAVAILABLE, "the admin listener's thread cannot be started");
    }
    *ret = a;
    return STATUS_OK;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    MHD_stop_daemon(a->daemon); /* closes the listening socket */
    free(a);
}

uint16_t admin_port(const struct admin *a)
{
    return a->port;
}
