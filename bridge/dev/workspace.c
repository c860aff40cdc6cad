#include "bridge/dev/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/arena.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"

/* A dozen paths, and a route of some 200 bytes for each tenant. */
static const size_t paths_max = 64 * 1024;
static const size_t file_max = 64 * 1024;

/* As long as Maesn's: 64 hex characters. */
#define SECRET_RANDOM 32

/* Keyring, route key, API key, and one an account. */
#define KEY_FILES_MAX 32

struct workspace {
    struct arena *arena;   /* the paths */
    const char *directory; /* NULL: it was not made */
    const char *routes_directory;
    const char *secrets_directory;
    const char *settings_file;
    const char *routes_file;
    const char *accounts_directory;
    const char *accounts_file;
    const char *log_file;
    int log_fd;
    const char *key_files[KEY_FILES_MAX]; /* the reconciler's keys */
    size_t key_files_len;
    size_t tenants_len;
    const char **secret_files;
    struct secret **secrets;
};

DEFINE_CLEANUP(struct workspace *, workspace_free)

static enum status cannot(const char *what, const char *path, struct diag *diag)
{
    diag_set(diag, STATUS_UNAVAILABLE, "cannot %s %s: %s", what, path, strerror(errno));
    return STATUS_UNAVAILABLE; /* so that an analyser, which sees one file, knows */
}

/* --- names ------------------------------------------------------------------------------------ */

static enum status name_files(struct workspace *w, const struct workspace_options *opt)
{
    w->routes_directory = arena_printf(w->arena, "%s/routes.d", w->directory);
    w->secrets_directory = arena_printf(w->arena, "%s/secrets", w->directory);
    w->settings_file = arena_printf(w->arena, "%s/bridge.yaml", w->directory);
    w->routes_file = arena_printf(w->arena, "%s/routes.d/dev.yaml", w->directory);
    w->accounts_directory = arena_printf(w->arena, "%s/accounts.d", w->directory);
    w->accounts_file = arena_printf(w->arena, "%s/accounts.d/dev.yaml", w->directory);
    w->log_file = arena_printf(w->arena, "%s/ingress.log", w->directory);
    w->secret_files = arena_alloc(w->arena, opt->tenants_len * sizeof(w->secret_files[0]));
    w->secrets = calloc(opt->tenants_len, sizeof(w->secrets[0]));
    if (w->secret_files == NULL || w->secrets == NULL)
        return STATUS_NOMEM;
    w->tenants_len = opt->tenants_len;
    bool whole = true;
    for (size_t i = 0; i < opt->tenants_len; i++) {
        w->secret_files[i] =
            arena_printf(w->arena, "%s/%s", w->secrets_directory, opt->tenants[i].account);
        whole = whole && w->secret_files[i] != NULL;
    }
    return whole && w->routes_directory != NULL && w->settings_file != NULL &&
                   w->routes_file != NULL && w->accounts_directory != NULL &&
                   w->accounts_file != NULL && w->log_file != NULL
               ? STATUS_OK
               : STATUS_NOMEM;
}

/* --- making ----------------------------------------------------------------------------------- */

static enum status make_directories(struct workspace *w, const struct workspace_options *opt,
                                    struct diag *diag)
{
    const char *parent = getenv("TMPDIR");
    char *directory = arena_printf(w->arena, "%s/maesn-bridge-dev.XXXXXX",
                                   parent == NULL || parent[0] == '\0' ? "/tmp" : parent);
    if (directory == NULL)
        return STATUS_NOMEM;
    if (mkdtemp(directory) == NULL) /* for nobody else: mode 0700 */
        return cannot("make", directory, diag);
    w->directory = directory;
    enum status status = name_files(w, opt);
    if (status != STATUS_OK)
        return status;
    if (mkdir(w->routes_directory, 0700) != 0)
        return cannot("make", w->routes_directory, diag);
    if (mkdir(w->secrets_directory, 0700) != 0)
        return cannot("make", w->secrets_directory, diag);
    if (mkdir(w->accounts_directory, 0700) != 0)
        return cannot("make", w->accounts_directory, diag);
    w->log_fd = open(w->log_file, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    return w->log_fd < 0 ? cannot("make", w->log_file, diag) : STATUS_OK;
}

static enum status write_file(const char *path, struct bytes content, struct diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot("make", path, diag);
    ssize_t n = write(fd, content.data, content.len);
    close(fd);
    return n == (ssize_t)content.len ? STATUS_OK : cannot("write", path, diag);
}

static enum status make_secret(struct workspace *w, size_t n, struct diag *diag)
{
    uint8_t random[SECRET_RANDOM];
    char text[2 * SECRET_RANDOM + 1];
    if (crypto_random(random, sizeof(random)) != STATUS_OK)
        return diag_set(diag, STATUS_INTERNAL, "the system has no random bytes");
    hex_encode(bytes_of(random, sizeof(random)), text);
    enum status status = secret_new(bytes_of_text(text), &w->secrets[n], diag);
    if (status == STATUS_OK)
        status = write_file(w->secret_files[n], bytes_of_text(text), diag);
    crypto_wipe(random, sizeof(random));
    crypto_wipe(text, sizeof(text));
    return status;
}

/* Writes a file into secrets/ that is removed in the end. */
static enum status write_key(struct workspace *w, const char *name, const char *text,
                             struct diag *diag)
{
    const char *path = arena_printf(w->arena, "%s/%s", w->secrets_directory, name);
    if (path == NULL || w->key_files_len == KEY_FILES_MAX)
        return STATUS_NOMEM;
    enum status status = write_file(path, bytes_of_text(text), diag);
    if (status == STATUS_OK)
        w->key_files[w->key_files_len++] = path;
    return status;
}

/* A ring of one fresh key. */
static enum status make_ring(struct workspace *w, const char *name, struct diag *diag)
{
    uint8_t random[SECRET_RANDOM];
    char text[4 + 2 * SECRET_RANDOM + 1] = "dev:";
    if (crypto_random(random, sizeof(random)) != STATUS_OK)
        return diag_set(diag, STATUS_INTERNAL, "the system has no random bytes");
    hex_encode(bytes_of(random, sizeof(random)), text + 4);
    enum status status = write_key(w, name, text, diag);
    crypto_wipe(random, sizeof(random));
    crypto_wipe(text, sizeof(text));
    return status;
}

static enum status make_keys(struct workspace *w, const struct workspace_options *opt,
                             struct diag *diag)
{
    enum status status = make_ring(w, "keyring", diag);
    if (status == STATUS_OK)
        status = make_ring(w, "route-key", diag);
    if (status == STATUS_OK)
        status = write_key(w, "maesn-api-key", opt->api_key, diag);
    for (size_t i = 0; i < opt->accounts_len && status == STATUS_OK; i++)
        status = write_key(w, opt->accounts[i].id, opt->accounts[i].key, diag);
    return status;
}

/* Processes that stop at once, without a load balancer to wait for; and a reconciler whose patience
 * is cut to what a person has. */
static void describe_settings(const struct workspace_options *opt, struct buf *b)
{
    buf_printf(b,
               "kafka: { brokers: \"%s\" }\n"
               "ingress: { listen: \"127.0.0.1:%u\" }\n"
               "admin: { listen: \"127.0.0.1:0\" }\n"
               "shutdown: { delay_ms: 0, hard_stop_ms: 5000 }\n"
               "public_base_url: http://127.0.0.1:%u\n"
               "keyring_file: secrets/keyring\n"
               "route_key_file: secrets/route-key\n"
               "maesn: { base_url: \"http://127.0.0.1:%u\", "
               "api_key_file: secrets/maesn-api-key }\n"
               "moneybird: { base_url: \"http://127.0.0.1:%u/api/v2\" }\n"
               "reconciler: { admin_listen: \"127.0.0.1:0\", interval_s: 10, overlap_s: 10, "
               "retire_grace_s: 60, pending_ttl_s: 60, second_look_s: 2 }\n",
               opt->bootstrap, opt->port, opt->port, opt->provider_port, opt->provider_port);
}

static void describe_accounts(const struct workspace_options *opt, struct buf *b)
{
    buf_append_text(b, opt->accounts_len == 0 ? "accounts: []\n" : "accounts:\n");
    for (size_t i = 0; i < opt->accounts_len; i++)
        buf_printf(b, "  - { id: %s, account_key_file: ../secrets/%s, %s }\n", opt->accounts[i].id,
                   opt->accounts[i].id, opt->accounts[i].declaration);
}

static void describe_routes(const struct workspace_options *opt, struct buf *b)
{
    buf_append_text(b, "routes:\n");
    for (size_t i = 0; i < opt->tenants_len; i++) {
        const struct tenant *t = &opt->tenants[i];
        buf_printf(b,
                   "  - path: %s\n    provider: maesn\n    account: %s\n    system: %s\n"
                   "    secret_file: ../secrets/%s\n",
                   t->path, t->account, t->system->name, t->account);
    }
}

static enum status write_described(const char *path, const struct workspace_options *opt,
                                   void (*describe)(const struct workspace_options *, struct buf *),
                                   struct diag *diag)
{
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, file_max);
    describe(opt, &b);
    return b.status == STATUS_OK ? write_file(path, buf_bytes(&b), diag) : b.status;
}

enum status workspace_new(const struct workspace_options *opt, struct workspace **ret,
                          struct diag *diag)
{
    CLEANUP(workspace_free_scoped) struct workspace *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return STATUS_NOMEM;
    w->log_fd = -1;
    w->arena = arena_new(paths_max);
    if (w->arena == NULL)
        return STATUS_NOMEM;
    enum status status = make_directories(w, opt, diag);
    for (size_t i = 0; i < opt->tenants_len && status == STATUS_OK; i++)
        status = make_secret(w, i, diag);
    if (status == STATUS_OK)
        status = write_described(w->settings_file, opt, describe_settings, diag);
    if (status == STATUS_OK)
        status = write_described(w->routes_file, opt, describe_routes, diag);
    if (status == STATUS_OK)
        status = make_keys(w, opt, diag);
    if (status == STATUS_OK)
        status = write_described(w->accounts_file, opt, describe_accounts, diag);
    if (status != STATUS_OK)
        return status;
    *ret = TAKE(w);
    return STATUS_OK;
}

/* --- asking ----------------------------------------------------------------------------------- */

const char *workspace_directory(const struct workspace *w)
{
    return w->directory;
}

const char *workspace_settings_file(const struct workspace *w)
{
    return w->settings_file;
}

const char *workspace_accounts_file(const struct workspace *w)
{
    return w->accounts_file;
}

const char *workspace_log_file(const struct workspace *w)
{
    return w->log_file;
}

int workspace_log_fd(const struct workspace *w)
{
    return w->log_fd;
}

struct secret *const *workspace_secrets(const struct workspace *w)
{
    return w->secrets;
}

const char *workspace_secret_file(const struct workspace *w, size_t n)
{
    return w->secret_files[n];
}

/* --- removing --------------------------------------------------------------------------------- */

/* Names what it made, rather than delete whatever is there: what is not there yet is no matter. */
static void remove_files(const struct workspace *w)
{
    const char *const files[] = {w->settings_file, w->routes_file, w->accounts_file, w->log_file};
    const char *const directories[] = {w->routes_directory, w->accounts_directory,
                                       w->secrets_directory, w->directory};
    for (size_t i = 0; i < w->key_files_len; i++)
        unlink(w->key_files[i]);
    for (size_t i = 0; i < w->tenants_len; i++)
        if (w->secret_files[i] != NULL)
            unlink(w->secret_files[i]);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] != NULL)
            unlink(files[i]);
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        if (directories[i] != NULL)
            rmdir(directories[i]);
}

void workspace_free(struct workspace *w)
{
    if (w == NULL)
        return;
    if (w->directory != NULL)
        remove_files(w);
    if (w->log_fd >= 0)
        close(w->log_fd);
    for (size_t i = 0; i < w->tenants_len; i++)
        secret_unref(w->secrets[i]);
    free(w->secrets);
    arena_free(w->arena);
    free(w);
}
