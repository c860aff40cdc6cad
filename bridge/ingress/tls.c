#include "bridge/ingress/tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "bridge/ingress/loop.h"

/* The longest chain of certificates, and the largest file, that are read. */
#define CHAIN_MAX 10
static const size_t file_max = 1024 * 1024;

const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/* What one reading of the files gave. Immutable once it is current. */
struct material {
    struct material *superseded; /* handshakes may still use it; freed with the listener */
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_len;
    gnutls_privkey_t key;
    gnutls_x509_trust_list_t clients; /* NULL: no certificate is asked for */
    uint8_t digest[CRYPTO_SHA256_SIZE];
};

struct tls {
    struct ingress_tls_options opt;
    _Atomic(struct material *) current;
};

/* The files' contents. */
struct pem {
    struct buf certificate;
    struct buf key;
    struct buf client_ca;
};

static void pem_done(struct pem *pem)
{
    buf_done(&pem->certificate);
    if (pem->key.data != NULL)
        crypto_wipe(pem->key.data, pem->key.len);
    buf_done(&pem->key);
    buf_done(&pem->client_ca);
}

static enum status pem_read(const struct ingress_tls_options *opt, struct pem *ret,
                            struct diag *diag)
{
    enum status status = file_read(opt->certificate_file, &ret->certificate, diag);
    if (status == STATUS_OK)
        status = file_read(opt->key_file, &ret->key, diag);
    if (status == STATUS_OK && opt->client_ca_file[0] != '\0')
        status = file_read(opt->client_ca_file, &ret->client_ca, diag);
    return status;
}

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){.data = (unsigned char *)buf_text(b), .size = (unsigned)b->len};
}

static void material_free(struct material *m)
{
    if (m == NULL)
        return;
    for (unsigned i = 0; i < m->chain_len; i++)
        gnutls_pcert_deinit(&m->chain[i]);
    if (m->key != NULL)
        gnutls_privkey_deinit(m->key);
    if (m->clients != NULL)
        gnutls_x509_trust_list_deinit(m->clients, 1);
    free(m);
}

static enum status import_chain(struct material *m, const struct buf *pem, const char *path,
                                struct diag *diag)
{
    gnutls_datum_t data = datum(pem);
    unsigned len = CHAIN_MAX;
    int error = gnutls_pcert_list_import_x509_raw(m->chain, &len, &data, GNUTLS_X509_FMT_PEM, 0);
    if (error < 0)
        return diag_set(diag, STATUS_INVALID, "%s: %s, expected at most %d PEM certificates", path,
                        gnutls_strerror(error), CHAIN_MAX);
    m->chain_len = len;
    return STATUS_OK;
}

static enum status import_key(struct material *m, const struct buf *pem, const char *path,
                              struct diag *diag)
{
    gnutls_datum_t data = datum(pem);
    int error = gnutls_privkey_init(&m->key);
    if (error == 0)
        error = gnutls_privkey_import_x509_raw(m->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (error < 0)
        return diag_set(diag, STATUS_INVALID, "%s: %s, expected a PEM private key", path,
                        gnutls_strerror(error));
    return STATUS_OK;
}

static enum status import_clients(struct material *m, const struct buf *pem, const char *path,
                                  struct diag *diag)
{
    gnutls_datum_t data = datum(pem);
    if (gnutls_x509_trust_list_init(&m->clients, 0) < 0)
        return STATUS_NOMEM;
    int found =
        gnutls_x509_trust_list_add_trust_mem(m->clients, &data, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    if (found <= 0)
        return diag_set(diag, STATUS_INVALID, "%s: expected PEM certificates of authorities", path);
    return STATUS_OK;
}

/* The key's public half is the certificate's. */
static bool belong_together(struct material *m)
{
    unsigned char of_key[CRYPTO_SHA256_SIZE], of_certificate[CRYPTO_SHA256_SIZE];
    size_t key_len = sizeof(of_key), certificate_len = sizeof(of_certificate);
    gnutls_pubkey_t public;
    if (gnutls_pubkey_init(&public) < 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(public, m->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) == 0 &&
                gnutls_pubkey_get_key_id(m->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256,
                                         of_certificate, &certificate_len) == 0 &&
                bytes_equal(bytes_of(of_key, key_len), bytes_of(of_certificate, certificate_len));
    gnutls_pubkey_deinit(public);
    return same;
}

static enum status import(const struct ingress_tls_options *opt, const struct pem *pem,
                          struct material *m, struct diag *diag)
{
    enum status status = import_chain(m, &pem->certificate, opt->certificate_file, diag);
    if (status == STATUS_OK)
        status = import_key(m, &pem->key, opt->key_file, diag);
    if (status == STATUS_OK && !belong_together(m))
        status = diag_set(diag, STATUS_INVALID, "%s: not the key of the certificate in %s",
                          opt->key_file, opt->certificate_file);
    if (status == STATUS_OK && opt->client_ca_file[0] != '\0')
        status = import_clients(m, &pem->client_ca, opt->client_ca_file, diag);
    return status;
}

static enum status material_read(const struct ingress_tls_options *opt, struct material **ret,
                                 struct diag *diag)
{
    CLEANUP(pem_done) struct pem pem = {{.max = file_max}, {.max = file_max}, {.max = file_max}};
    enum status status = pem_read(opt, &pem, diag);
    if (status != STATUS_OK)
        return status;
    struct material *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return STATUS_NOMEM;
    struct bytes parts[] = {buf_bytes(&pem.certificate), buf_bytes(&pem.key),
                            buf_bytes(&pem.client_ca)};
    status = sha256(parts, 3, m->digest);
    if (status == STATUS_OK)
        status = import(opt, &pem, m, diag);
    if (status != STATUS_OK) {
        material_free(m);
        return status;
    }
    *ret = m;
    return STATUS_OK;
}

enum status tls_new(const struct ingress_tls_options *opt, struct tls **ret, struct diag *diag)
{
    struct material *m;
    enum status status = material_read(opt, &m, diag);
    if (status != STATUS_OK)
        return status;
    struct tls *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        material_free(m);
        return STATUS_NOMEM;
    }
    t->opt = *opt;
    atomic_init(&t->current, m);
    *ret = t;
    return STATUS_OK;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    for (struct material *m = atomic_load(&t->current), *superseded; m != NULL; m = superseded) {
        superseded = m->superseded;
        material_free(m);
    }
    free(t);
}

enum status tls_reload(struct tls *t, bool *ret_changed, struct diag *diag)
{
    struct material *m;
    enum status status = material_read(&t->opt, &m, diag);
    if (status != STATUS_OK)
        return status;
    struct material *current = atomic_load(&t->current);
    *ret_changed = memcmp(m->digest, current->digest, sizeof(m->digest)) != 0;
    if (!*ret_changed) {
        material_free(m);
        return STATUS_OK;
    }
    m->superseded = current;
    atomic_store(&t->current, m);
    return STATUS_OK;
}

/* --- in a handshake -------------------------------------------------------------------------- */

/* libmicrohttpd makes its connection the session's pointer (daemon.c, internal_add_connection();
 * 0.9.75, 1.0.1). NULL when memory was short at its start. */
static const struct material *material_of(gnutls_session_t session)
{
    struct connection *c = connection_of(gnutls_session_get_ptr(session));
    return c == NULL ? NULL : atomic_load(&c->loop->shared->tls->current);
}

static void free_certificates(gnutls_x509_crt_t list[], unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        gnutls_x509_crt_deinit(list[i]);
}

static int verify_client(gnutls_session_t session)
{
    const struct material *m = material_of(session);
    unsigned raw_len = 0, len = 0, faults = 0;
    const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &raw_len);
    gnutls_x509_crt_t list[CHAIN_MAX];
    if (m == NULL || m->clients == NULL || raw == NULL || raw_len == 0 || raw_len > CHAIN_MAX)
        return GNUTLS_E_CERTIFICATE_ERROR;
    for (; len < raw_len; len++) {
        if (gnutls_x509_crt_init(&list[len]) < 0)
            break;
        if (gnutls_x509_crt_import(list[len], &raw[len], GNUTLS_X509_FMT_DER) < 0) {
            len++;
            break;
        }
    }
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    int error =
        gnutls_x509_trust_list_verify_crt2(m->clients, list, len, &purpose, 1, 0, &faults, NULL);
    free_certificates(list, len);
    return error == 0 && faults == 0 && len == raw_len ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *authorities,
                    int authorities_len, const gnutls_pk_algorithm_t *algorithms,
                    int algorithms_len, gnutls_pcert_st **ret_chain, unsigned *ret_chain_len,
                    gnutls_privkey_t *ret_key)
{
    (void)authorities, (void)authorities_len, (void)algorithms, (void)algorithms_len;
    const struct material *m = material_of(session);
    if (m == NULL)
        return -1;
    if (m->clients != NULL) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, verify_client);
    }
    *ret_chain = (gnutls_pcert_st *)m->chain;
    *ret_chain_len = m->chain_len;
    *ret_key = m->key;
    return 0;
}

/* As libmicrohttpd's options carry it: POSIX has functions fit into a void *. */
static gnutls_certificate_retrieve_function2 *const retrieve_fn = retrieve;

void *tls_retrieve(void)
{
    return (void *)retrieve_fn;
}

void tls_send(struct MHD_Connection *mhd, const char *text, size_t len)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL && info->tls_session != NULL)
        (void)!gnutls_record_send(info->tls_session, text, len);
}
