#include "bridge/settings/constraints.h"

#include <errno.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/settings/load.h"

#define KEY(member) (settings_table[SETTING_ID_##member].key)
#define PLACE(member) load_origin(l, SETTING_ID_##member)

static bool is_set(const struct load *l, enum setting_id id)
{
    return l->settings->origins[id].file != NULL;
}

static bool has_registry(const struct load *l)
{
    return l->settings->topics_registry[0] != '\0';
}

/* --- what is required ---------------------------------------------------------------------- */

static void require(struct load *l, enum setting_id id, const char *because)
{
    CLEANUP(buf_done) struct buf expectation;
    buf_init(&expectation, 512);
    setting_expectation(&settings_table[id], &expectation);
    load_note_status(l, expectation.status);
    if (!is_set(l, id))
        load_error(l, load_origin(l, id), settings_table[id].key, "missing, expected %s%s",
                   buf_text(&expectation), because);
}

static void check_required(struct load *l)
{
    static const char because[] = ": topics.registry is not \"\"";
    for (size_t id = 0; id < SETTINGS_LEN; id++)
        if (settings_table[id].flags & SETTING_REQUIRED)
            require(l, (enum setting_id)id, "");
    if (!has_registry(l) && l->settings->process != SETTINGS_RECONCILER)
        return;
    require(l, SETTING_ID_route_key_file, because);
    require(l, SETTING_ID_keyring_file, because);
    if (l->settings->process != SETTINGS_INGRESS)
        require(l, SETTING_ID_public_base_url, ": the reconciler makes callback URLs of it");
}

/* --- numbers and addresses ----------------------------------------------------------------- */

static void check_tls(struct load *l)
{
    const struct settings *s = l->settings;
    bool certificate = s->ingress_tls_certificate_file[0] != '\0';
    bool key = s->ingress_tls_key_file[0] != '\0';
    if (certificate && !key)
        load_error(l, PLACE(ingress_tls_certificate_file), KEY(ingress_tls_key_file),
                   "missing, expected a path: there is a certificate_file");
    if (key && !certificate)
        load_error(l, PLACE(ingress_tls_key_file), KEY(ingress_tls_certificate_file),
                   "missing, expected a path: there is a key_file");
    if (s->ingress_tls_client_ca_file[0] != '\0' && !certificate)
        load_error(l, PLACE(ingress_tls_client_ca_file), KEY(ingress_tls_client_ca_file),
                   "%s, expected \"\": without a certificate_file there is no TLS",
                   s->ingress_tls_client_ca_file);
}

static void check_addresses(struct load *l)
{
    const struct address *public = &l->settings->ingress_listen;
    const struct address *admin = &l->settings->admin_listen;
    if (public->port != 0 && public->port == admin->port && strcmp(public->host, admin->host) == 0)
        load_error(l,
                   is_set(l, SETTING_ID_admin_listen) ? PLACE(admin_listen) : PLACE(ingress_listen),
                   KEY(admin_listen), "port %u, expected another port than that of %s", admin->port,
                   KEY(ingress_listen));
}

static void check_numbers(struct load *l)
{
    const struct settings *s = l->settings;
    /* At 60 % of the deadline a callback is given up; librdkafka refuses a message timeout that is
     * not above its linger. */
    if (s->kafka_linger_ms * 10 >= s->ingress_deadline_ms * 6)
        load_error(l,
                   is_set(l, SETTING_ID_kafka_linger_ms) ? PLACE(kafka_linger_ms)
                                                         : PLACE(ingress_deadline_ms),
                   KEY(kafka_linger_ms), "%u, expected less than 60 %% of %s, which is %u",
                   s->kafka_linger_ms, KEY(ingress_deadline_ms), s->ingress_deadline_ms);
    if (s->shutdown_hard_stop_ms <= s->shutdown_delay_ms)
        load_error(l,
                   is_set(l, SETTING_ID_shutdown_hard_stop_ms) ? PLACE(shutdown_hard_stop_ms)
                                                               : PLACE(shutdown_delay_ms),
                   KEY(shutdown_hard_stop_ms), "%u, expected more than %s, which is %u",
                   s->shutdown_hard_stop_ms, KEY(shutdown_delay_ms), s->shutdown_delay_ms);
}

static void check_passwords(struct load *l)
{
    const struct settings *s = l->settings;
    for (size_t i = 0; i < s->kafka_raw.len; i++) {
        const char *name = s->kafka_raw.items[i].name;
        if (strcmp(name, "sasl.password") == 0 && s->kafka_sasl_password_file[0] != '\0')
            load_error(l, PLACE(kafka_sasl_password_file), KEY(kafka_sasl_password_file),
                       "beside kafka.raw.sasl.password, expected one of the two");
        if (strcmp(name, "ssl.key.password") == 0 && s->kafka_key_password_file[0] != '\0')
            load_error(l, PLACE(kafka_key_password_file), KEY(kafka_key_password_file),
                       "beside kafka.raw.ssl.key.password, expected one of the two");
    }
}

static const char *property(const struct settings *s, const char *name, const char *otherwise)
{
    for (size_t i = 0; i < s->kafka_raw.len; i++)
        if (strcmp(s->kafka_raw.items[i].name, name) == 0)
            return s->kafka_raw.items[i].value;
    return otherwise;
}

/* Kerberos has librdkafka run kinit, again and again. Source: `sasl.kerberos.kinit.cmd`, and the
 * default of `sasl.mechanisms`, in librdkafka's CONFIGURATION.md. */
static void check_sandbox(struct load *l)
{
    static const setting_type_ENUM enforced = 0; /* the first of its choices */
    const struct settings *s = l->settings;
    const char *protocol = property(s, "security.protocol", "plaintext");
    const char *mechanism = property(s, "sasl.mechanism", property(s, "sasl.mechanisms", "GSSAPI"));
    if (s->sandbox == enforced && strncasecmp(protocol, "sasl_", strlen("sasl_")) == 0 &&
        strcasecmp(mechanism, "GSSAPI") == 0)
        load_error(l, is_set(l, SETTING_ID_sandbox) ? PLACE(sandbox) : PLACE(kafka_raw),
                   KEY(sandbox),
                   "enforce, expected off: kafka.raw.sasl.mechanism GSSAPI runs kinit, which a "
                   "sandbox forbids");
}

void constraints_check(struct load *l)
{
    check_required(l);
    check_tls(l);
    check_addresses(l);
    check_numbers(l);
    check_passwords(l);
    check_sandbox(l);
}

/* --- files --------------------------------------------------------------------------------- */

/* Whether the process reads what this row names. */
static bool is_used(const struct load *l, enum setting_id id)
{
    unsigned flags = settings_table[id].flags;
    switch (l->settings->process) {
    case SETTINGS_ALL:
        return is_set(l, id) || has_registry(l);
    case SETTINGS_INGRESS:
        return !(flags & SETTING_RECONCILER);
    case SETTINGS_RECONCILER:
        return !(flags & SETTING_INGRESS);
    }
    return true;
}

static void check_secret(struct load *l, enum setting_id id, const char *path)
{
    secret_unref(load_secret(l, path, load_origin(l, id), settings_table[id].key));
}

/* For `check`: the ingress finds out when it opens it. */
static void check_spool(struct load *l)
{
    const char *directory = l->settings->spool_directory;
    struct stat st;
    if (l->settings->process != SETTINGS_ALL || directory[0] == '\0')
        return;
    int error = stat(directory, &st) != 0                    ? errno
                : !S_ISDIR(st.st_mode)                       ? ENOTDIR
                : access(directory, R_OK | W_OK | X_OK) != 0 ? errno
                                                             : 0;
    if (error != 0)
        load_error(l, PLACE(spool_directory), KEY(spool_directory),
                   "%s, expected a directory to write to: %s", directory, strerror(error));
}

void constraints_check_files(struct load *l)
{
    check_spool(l);
    for (size_t i = 0; i < SETTINGS_LEN; i++) {
        enum setting_id id = (enum setting_id)i;
        const struct setting *row = &settings_table[id];
        if ((row->kind != SETTING_FILE && row->kind != SETTING_SECRET) || !is_used(l, id))
            continue;
        const char *path = *(const char *const *)settings_member(l->settings, row);
        if (path[0] == '\0')
            continue;
        if (row->kind == SETTING_SECRET)
            check_secret(l, id, path);
        else
            (void)load_needs_file(l, path, row->flags & SETTING_PRIVATE, load_origin(l, id),
                                  row->key);
    }
}
