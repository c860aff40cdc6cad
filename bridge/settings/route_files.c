#include "bridge/settings/route_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bridge/base/nearest.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/account.h"
#include "bridge/domain/route.h"
#include "bridge/settings/declarations.h"

/* A request line that long is refused as too large a header. */
#define ROUTE_PATH_MAX 1024

/* The decoded form: "%2F" in a file is not what a request's "%2F" becomes, and what is behind "?"
 * or
 * "#" never arrives as part of a path. */
static bool path_is_valid(const char *text)
{
    size_t len = strlen(text);
    if (len > ROUTE_PATH_MAX || strncmp(text, "/in/", 4) != 0 || len == 4)
        return false;
    return strcspn(text, " ?#%\\") == len;
}

static bool state_is_valid(const char *text)
{
    return strcmp(text, "pending") == 0 || strcmp(text, "active") == 0;
}

enum {
    ACCOUNT,
    EVENT,
    PATH,
    PREVIOUS_SECRET_FILE,
    PROVIDER,
    RESOURCE,
    SECRET_FILE,
    STATE,
    SYSTEM,
    TOKEN_FILE,
};

const struct field route_fields_table[] = {
    [ACCOUNT] = {"account", FIELD_TEXT, true, account_id_is_valid, FIELD_ID_PATTERN,
                 FIELD_ID_EXPECTATION, "Whose accounting system it is: the records' account."},
    [EVENT] = {"event", FIELD_TEXT, false, field_is_name, FIELD_NAME_PATTERN,
               FIELD_NAME_EXPECTATION, "The event type subscribed to. Default: all."},
    [PATH] = {"path", FIELD_TEXT, true, path_is_valid, "^/in/[^ ?#%\\\\]{1,1000}[^ ?#%\\\\]{0,20}$",
              "a decoded path that begins with /in/, without space, %, ?, # and \\",
              "The path of the callback URL, compared exactly after decoding."},
    [PREVIOUS_SECRET_FILE] = {"previous_secret_file", FIELD_PATH, false, NULL, NULL, "a path",
                              "File with the former secret, while both are in use. When the file "
                              "is gone the secret is just dropped."},
    [PROVIDER] = {"provider", FIELD_TEXT, true, NULL, NULL, "a provider's name",
                  "Who calls: `maesn` or `moneybird`."},
    [RESOURCE] = {"resource", FIELD_TEXT, false, field_is_name, FIELD_NAME_PATTERN,
                  FIELD_NAME_EXPECTATION,
                  "The resource subscribed to. Default: all. `PROBE`: the route is for the test "
                  "events of `maesn-bridge probe`."},
    [SECRET_FILE] = {"secret_file", FIELD_PATH, false, NULL, NULL, "a path",
                     "File with the secret of the signatures; one newline at its end is no part "
                     "of it. Required but for a pending route and for one with a token."},
    [STATE] = {"state", FIELD_TEXT, false, state_is_valid, "^(active|pending)$",
               "active or pending",
               "`pending`: a Moneybird webhook is about to be registered, its probe is answered; "
               "there is no secret yet. Default: active."},
    [SYSTEM] = {"system", FIELD_TEXT, false, account_id_is_valid, FIELD_ID_PATTERN,
                FIELD_ID_EXPECTATION,
                "The accounting system behind the account. Required for `maesn`."},
    [TOKEN_FILE] = {"token_file", FIELD_PATH, false, NULL, NULL, "a path",
                    "File with the `webhook_token` of a Moneybird webhook that is not signed."},
    {0},
};

struct reading {
    struct route **routes;
    size_t len;
    size_t capacity;
    struct declared_list paths;
};

/* --- one route ----------------------------------------------------------------------------- */

static struct secret *read_secret(struct load *l, const char *key, const struct node *n, int field)
{
    char full[128];
    snprintf(full, sizeof(full), "%s.%s", key, route_fields_table[field].name);
    const char *text = field_text(&route_fields_table[field], key, n, l);
    return text == NULL ? NULL
                        : load_secret(l, load_resolve(l, n->place.file, text), n->place, full);
}

/* Rotated away is no error: the current secret is there. */
static struct secret *read_previous_secret(struct load *l, const char *key, const struct node *n)
{
    const char *text = field_text(&route_fields_table[PREVIOUS_SECRET_FILE], key, n, l);
    if (text == NULL)
        return NULL;
    const char *path = load_resolve(l, n->place.file, text);
    struct stat st;
    if (stat(path, &st) == 0 || errno != ENOENT)
        return read_secret(l, key, n, PREVIOUS_SECRET_FILE);
    char full[128];
    snprintf(full, sizeof(full), "%s.previous_secret_file", key);
    paths_add(l->read, path);
    l->settings->secret_files_missing++;
    load_warning(l, n->place, full, "%s: the file is gone, its secret is dropped", path);
    return NULL;
}

static const struct provider *read_provider(struct load *l, const char *key, const struct node *n)
{
    const char *name = field_text(&route_fields_table[PROVIDER], key, n, l);
    const struct provider *provider = name == NULL ? NULL : load_provider(l, name);
    if (name != NULL && provider == NULL)
        load_unknown_provider(l, n, key);
    return provider;
}

static void refuse_field(struct load *l, const char *key, int field, const struct node *n,
                         const char *expectation)
{
    char full[128];
    snprintf(full, sizeof(full), "%s.%s", key, route_fields_table[field].name);
    load_mistyped(l, n, full, expectation);
}

/* What a route may have depends on its provider and its state. */
static bool fields_agree(struct load *l, const char *key, const struct node *n,
                         const struct node *const values[], const struct provider *provider)
{
    bool pending = values[STATE] != NULL && values[STATE]->kind == NODE_SCALAR &&
                   strcmp(values[STATE]->text, "pending") == 0;
    const struct node *secret =
        values[SECRET_FILE] != NULL ? values[SECRET_FILE] : values[PREVIOUS_SECRET_FILE];
    size_t errors = l->problems->errors;
    if (pending && !provider->probes_registration)
        refuse_field(l, key, STATE, values[STATE],
                     "active: this provider sends no probe when a webhook is registered");
    else if (pending && (secret != NULL || values[TOKEN_FILE] != NULL))
        refuse_field(l, key, STATE, values[STATE],
                     "active: with a secret or a token a route is not pending");
    if (values[TOKEN_FILE] != NULL && !provider->probes_registration)
        refuse_field(l, key, TOKEN_FILE, values[TOKEN_FILE],
                     "it left out: this provider's callbacks have no token");
    bool needs_secret = !pending && (values[TOKEN_FILE] == NULL || !provider->probes_registration);
    char full[128];
    snprintf(full, sizeof(full), "%s.secret_file", key);
    if (values[SECRET_FILE] == NULL && needs_secret)
        load_error(l, n->place, full, "missing, expected a path%s",
                   provider->probes_registration ? ", or token_file, or state: pending" : "");
    else if (values[SECRET_FILE] == NULL && pending && l->problems->errors == errors) {
        snprintf(full, sizeof(full), "%s.state", key);
        load_warning(l, values[STATE]->place, full,
                     "pending, so no callback is accepted until there is a secret_file");
    }
    return l->problems->errors == errors;
}

static void keep(struct load *l, struct reading *reading, struct route *r)
{
    struct route **routes = declarations_grow(l, reading->routes, reading->len, &reading->capacity,
                                              sizeof(struct route *));
    if (routes == NULL) {
        route_unref(r);
        return;
    }
    reading->routes = routes;
    reading->routes[reading->len++] = r;
}

DEFINE_CLEANUP(struct secret *, secret_unref)

static void read_route(struct load *l, const char *key, const struct node *n, void *ctx)
{
    size_t errors = l->problems->errors;
    const struct node *values[FIELDS_MAX];
    if (!field_collect(route_fields_table, key, n, l, values))
        return;
    const struct field *fields = route_fields_table;
    const struct provider *provider = read_provider(l, key, values[PROVIDER]);
    const char *state = field_text(&fields[STATE], key, values[STATE], l);
    struct route_fields made = {
        .path = field_text(&fields[PATH], key, values[PATH], l),
        .provider = provider,
        .account = field_text(&fields[ACCOUNT], key, values[ACCOUNT], l),
        .system = load_system(l, key, n, &fields[SYSTEM], values[SYSTEM], provider),
        .resource = field_text(&fields[RESOURCE], key, values[RESOURCE], l),
        .event = field_text(&fields[EVENT], key, values[EVENT], l),
        .state = state != NULL && strcmp(state, "pending") == 0 ? ROUTE_PENDING : ROUTE_ACTIVE,
    };
    CLEANUP(secret_unref_scoped)
    struct secret *current = read_secret(l, key, values[SECRET_FILE], SECRET_FILE);
    CLEANUP(secret_unref_scoped)
    struct secret *previous = read_previous_secret(l, key, values[PREVIOUS_SECRET_FILE]);
    CLEANUP(secret_unref_scoped)
    struct secret *token = read_secret(l, key, values[TOKEN_FILE], TOKEN_FILE);
    made.current_secret = current;
    made.previous_secret = previous;
    made.token = token;
    if (provider != NULL)
        (void)fields_agree(l, key, n, values, provider);
    struct reading *reading = ctx;
    if (made.path != NULL)
        declared_list_add(l, &reading->paths, made.path, values[PATH]->place);
    if (l->problems->errors != errors || l->problems->status != STATUS_OK)
        return;
    struct route *r;
    if (route_new(&made, &r) == STATUS_OK)
        keep(l, reading, r);
    else
        l->problems->status = STATUS_NOMEM;
}

void route_files_read(struct load *l)
{
    struct reading reading = {0};
    const struct declarations declarations = {l->settings->routes_dir, SETTING_ID_routes_dir,
                                              "routes", read_route, &reading};
    declarations_read(l, &declarations);
    declared_list_refuse_twins(l, "routes.path", &reading.paths);
    declared_list_done(&reading.paths);
    l->settings->routes = reading.routes;
    l->settings->routes_len = reading.len;
}
