/* The functions of fallible.def, as the program's objects call them here: torture_malloc for
 * malloc, and so on. */
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pthread.h>
#include <search.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <yaml.h>

#include "tests/torture/place.h"
#include "tests/torture/torture.h"

typedef int compare_fn(const void *a, const void *b);
typedef int select_fn(const struct dirent *entry);
typedef int order_fn(const struct dirent **a, const struct dirent **b);
typedef void *run_fn(void *ctx);

/* The way in which this call of `name` fails; NULL: it does not. errno is set. */
#define FAILING(name, ...)                                                                         \
    (__extension__({                                                                               \
        static const struct way ways_[] = {__VA_ARGS__};                                           \
        const struct way *way_ =                                                                   \
            place_way(name, __builtin_frame_address(0), ways_, sizeof(ways_) / sizeof(ways_[0]));  \
        if (way_ != NULL && way_->error != 0)                                                      \
            errno = way_->error;                                                                   \
        way_;                                                                                      \
    }))

#define WAY(returned, error) {(intptr_t)(returned), (error)},
#define CALL(type, name, parameters, arguments, ...)                                               \
    type torture_##name parameters;                                                                \
    type torture_##name parameters                                                                 \
    {                                                                                              \
        const struct way *way = FAILING(#name, __VA_ARGS__);                                       \
        return way == NULL ? name arguments : (type)way->value;                                    \
    }
#define OWN(name)
#include "tests/torture/fallible.def"
#undef CALL
#undef OWN

/* --- with a variable number of arguments ------------------------------------------------------ */

int torture_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int torture_open(const char *path, int flags, ...);
int torture_openat(int directory, const char *path, int flags, ...);
int torture_fcntl(int fd, int command, ...);
int torture_ioctl(int fd, unsigned long request, ...);
struct MHD_Daemon *torture_MHD_start_daemon(unsigned flags, uint16_t port,
                                            MHD_AcceptPolicyCallback on_accept, void *accept_ctx,
                                            MHD_AccessHandlerCallback handler, void *ctx, ...);
CURLcode torture_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLMcode torture_curl_multi_setopt(CURLM *multi, CURLMoption option, ...);

int torture_asprintf(char **ret, const char *format, ...)
{
    if (FAILING("asprintf", WAY(-1, ENOMEM)) != NULL)
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(ret, format, arguments);
    va_end(arguments);
    return len;
}

#define LAST_ARGUMENT(type, before)                                                                \
    (__extension__({                                                                               \
        va_list arguments_;                                                                        \
        va_start(arguments_, before);                                                              \
        type last_ = va_arg(arguments_, type);                                                     \
        va_end(arguments_);                                                                        \
        last_;                                                                                     \
    }))

int torture_open(const char *path, int flags, ...)
{
    if (FAILING("open", WAY(-1, EMFILE) WAY(-1, EIO)) != NULL)
        return -1;
    return open(path, flags, (flags & O_CREAT) != 0 ? LAST_ARGUMENT(mode_t, flags) : 0);
}

int torture_openat(int directory, const char *path, int flags, ...)
{
    if (FAILING("openat", WAY(-1, EMFILE) WAY(-1, EIO)) != NULL)
        return -1;
    return openat(directory, path, flags,
                  (flags & O_CREAT) != 0 ? LAST_ARGUMENT(mode_t, flags) : 0);
}

int torture_fcntl(int fd, int command, ...)
{
    if (FAILING("fcntl", WAY(-1, EMFILE)) != NULL)
        return -1;
    return fcntl(fd, command, LAST_ARGUMENT(void *, command));
}

int torture_ioctl(int fd, unsigned long request, ...)
{
    if (FAILING("ioctl", WAY(-1, EIO)) != NULL)
        return -1;
    return ioctl(fd, request, LAST_ARGUMENT(void *, request));
}

struct MHD_Daemon *torture_MHD_start_daemon(unsigned flags, uint16_t port,
                                            MHD_AcceptPolicyCallback on_accept, void *accept_ctx,
                                            MHD_AccessHandlerCallback handler, void *ctx, ...)
{
    if (FAILING("MHD_start_daemon", WAY(0, ENOMEM)) != NULL)
        return NULL;
    va_list options;
    va_start(options, ctx);
    struct MHD_Daemon *daemon =
        MHD_start_daemon_va(flags, port, on_accept, accept_ctx, handler, ctx, options);
    va_end(options);
    return daemon;
}

/* Every option is of a pointer's size, or a long. */
CURLcode torture_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    if (FAILING("curl_easy_setopt", WAY(CURLE_OUT_OF_MEMORY, 0)) != NULL)
        return CURLE_OUT_OF_MEMORY;
    return (curl_easy_setopt)(easy, option, LAST_ARGUMENT(void *, option));
}

CURLMcode torture_curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    if (FAILING("curl_multi_setopt", WAY(CURLM_OUT_OF_MEMORY, 0)) != NULL)
        return CURLM_OUT_OF_MEMORY;
    return (curl_multi_setopt)(multi, option, LAST_ARGUMENT(void *, option));
}

/* --- that do half of it, or tell more --------------------------------------------------------- */

int torture_close(int fd);
int torture_fclose(FILE *file);
ssize_t torture_write(int fd, const void *from, size_t len);
ssize_t torture_pwrite(int fd, const void *from, size_t len, off_t offset);
json_t *torture_json_loadb(const char *text, size_t len, size_t flags, json_error_t *ret_error);
int torture_yaml_parser_parse(yaml_parser_t *parser, yaml_event_t *ret);

/* Source: close(2), "Dealing with error returns": the descriptor is released also then. */
int torture_close(int fd)
{
    int result = close(fd);
    return FAILING("close", WAY(-1, EIO)) != NULL ? -1 : result;
}

int torture_fclose(FILE *file)
{
    int result = fclose(file);
    return FAILING("fclose", WAY(EOF, EIO)) != NULL ? EOF : result;
}

/* Whose write fails only when it can be read already. Source: eventfd(2). */
static bool is_eventfd(int fd)
{
    char path[32], target[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(path, target, sizeof(target));
    return len > 0 && strncmp(target, "anon_inode:[eventfd]", (size_t)len) == 0;
}

/* WAY(1, 0): it writes one byte only. */
ssize_t torture_write(int fd, const void *from, size_t len)
{
    if (is_eventfd(fd))
        return write(fd, from, len);
    const struct way *way = FAILING("write", WAY(-1, ENOSPC) WAY(-1, EIO) WAY(1, 0));
    if (way != NULL && way->value < 0)
        return -1;
    return write(fd, from, way != NULL && len > 1 ? 1 : len);
}

ssize_t torture_pwrite(int fd, const void *from, size_t len, off_t offset)
{
    const struct way *way = FAILING("pwrite", WAY(-1, ENOSPC) WAY(-1, EIO) WAY(1, 0));
    if (way != NULL && way->value < 0)
        return -1;
    return pwrite(fd, from, way != NULL && len > 1 ? 1 : len, offset);
}

/* Source: jansson 2.14 src/load.c: without memory the error says nothing but where. */
json_t *torture_json_loadb(const char *text, size_t len, size_t flags, json_error_t *ret_error)
{
    if (FAILING("json_loadb", WAY(0, ENOMEM)) == NULL)
        return json_loadb(text, len, flags, ret_error);
    if (ret_error != NULL)
        *ret_error = (json_error_t){.line = -1, .column = -1};
    return NULL;
}

int torture_yaml_parser_parse(yaml_parser_t *parser, yaml_event_t *ret)
{
    if (FAILING("yaml_parser_parse", WAY(0, 0)) == NULL)
        return yaml_parser_parse(parser, ret);
    memset(ret, 0, sizeof(*ret));
    parser->error = YAML_MEMORY_ERROR;
    return 0;
}

rd_kafka_conf_res_t torture_rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name,
                                              const char *value, char *why, size_t why_size);
rd_kafka_t *torture_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why,
                                 size_t why_size);
rd_kafka_error_t *torture_rd_kafka_produceva(rd_kafka_t *rk, const rd_kafka_vu_t *parts,
                                             size_t len);

rd_kafka_conf_res_t torture_rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name,
                                              const char *value, char *why, size_t why_size)
{
    if (FAILING("rd_kafka_conf_set", WAY(RD_KAFKA_CONF_INVALID, 0)) == NULL)
        return rd_kafka_conf_set(conf, name, value, why, why_size);
    snprintf(why, why_size, "tortured");
    return RD_KAFKA_CONF_INVALID;
}

/* The configuration stays the caller's. */
rd_kafka_t *torture_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why,
                                 size_t why_size)
{
    if (FAILING("rd_kafka_new", WAY(0, EAGAIN)) == NULL)
        return rd_kafka_new(type, conf, why, why_size);
    snprintf(why, why_size, "tortured");
    return NULL;
}

rd_kafka_error_t *torture_rd_kafka_produceva(rd_kafka_t *rk, const rd_kafka_vu_t *parts, size_t len)
{
    const struct way *way =
        FAILING("rd_kafka_produceva",
                WAY(RD_KAFKA_RESP_ERR__QUEUE_FULL, 0) WAY(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 0));
    return way == NULL ? rd_kafka_produceva(rk, parts, len)
                       : rd_kafka_error_new((rd_kafka_resp_err_t)way->value, "tortured");
}

/* A step of a transaction, which returns what went wrong. */
#define STEP(name, parameters, arguments, ...)                                                     \
    rd_kafka_error_t *torture_##name parameters;                                                   \
    rd_kafka_error_t *torture_##name parameters                                                    \
    {                                                                                              \
        const struct way *way = FAILING(#name, __VA_ARGS__);                                       \
        return way == NULL ? name arguments                                                        \
                           : rd_kafka_error_new((rd_kafka_resp_err_t)way->value, "tortured");      \
    }

STEP(rd_kafka_init_transactions, (rd_kafka_t * rk, int timeout), (rk, timeout),
     WAY(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 0))
STEP(rd_kafka_begin_transaction, (rd_kafka_t * rk), (rk), WAY(RD_KAFKA_RESP_ERR__STATE, 0))
STEP(rd_kafka_abort_transaction, (rd_kafka_t * rk, int timeout), (rk, timeout),
     WAY(RD_KAFKA_RESP_ERR__STATE, 0))

static atomic_uint commits;

rd_kafka_error_t *torture_rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout);
rd_kafka_error_t *torture_rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout)
{
    const struct way *way =
        FAILING("rd_kafka_commit_transaction",
                WAY(RD_KAFKA_RESP_ERR__STATE, 0) WAY(RD_KAFKA_RESP_ERR__FENCED, 0));
    if (way != NULL) {
        /* As the real one does before it can fail so. Without it the instance is destroyed while a
         * partition is being added to the transaction, and librdkafka 2.0.2 aborts where it counts
         * those (rdkafka_txnmgr.c, txn_req_cnt). */
        (void)rd_kafka_flush(rk, timeout);
        return rd_kafka_error_new((rd_kafka_resp_err_t)way->value, "tortured");
    }
    rd_kafka_error_t *error = rd_kafka_commit_transaction(rk, timeout);
    if (error == NULL)
        atomic_fetch_add(&commits, 1);
    return error;
}

unsigned torture_commits(void)
{
    return atomic_load(&commits);
}
