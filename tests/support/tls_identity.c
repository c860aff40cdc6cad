#include "tests/support/tls_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"

struct tls_identity tls_identity_make(const char *name)
{
    struct tls_identity id;
    uint8_t serial[8];
    assert_int_equal(crypto_random(serial, sizeof(serial)), STATUS_OK);
    serial[0] &= 0x7f;
    assert_int_equal(gnutls_x509_privkey_init(&id.key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(id.key, GNUTLS_PK_ECDSA,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                                  0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&id.certificate), 0);
    gnutls_x509_crt_set_version(id.certificate, 3);
    gnutls_x509_crt_set_serial(id.certificate, serial, sizeof(serial));
    gnutls_x509_crt_set_dn_by_oid(id.certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    gnutls_x509_crt_set_activation_time(id.certificate, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(id.certificate, time(NULL) + 3600);
    gnutls_x509_crt_set_ca_status(id.certificate, 1);
    gnutls_x509_crt_set_key(id.certificate, id.key);
    assert_int_equal(
        gnutls_x509_crt_sign2(id.certificate, id.certificate, id.key, GNUTLS_DIG_SHA256, 0), 0);
    return id;
}

void tls_identity_done(struct tls_identity *id)
{
    gnutls_x509_crt_deinit(id->certificate);
    gnutls_x509_privkey_deinit(id->key);
}

static void write_pem(const char *path, const gnutls_datum_t *pem)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(pem->data, 1, pem->size, file), pem->size);
    assert_int_equal(fclose(file), 0);
}

void tls_identity_write_certificate(const char *path, const struct tls_identity *id)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_crt_export2(id->certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_pem(path, &pem);
    gnutls_free(pem.data);
}

void tls_identity_write_key(const char *path, const struct tls_identity *id)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_privkey_export2(id->key, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_pem(path, &pem);
    gnutls_free(pem.data);
}

void tls_files_make(struct tls_files *ret)
{
    snprintf(ret->directory, sizeof(ret->directory), "./tls-XXXXXX");
    assert_non_null(mkdtemp(ret->directory));
    snprintf(ret->certificate, sizeof(ret->certificate), "%s/tls.crt", ret->directory);
    snprintf(ret->key, sizeof(ret->key), "%s/tls.key", ret->directory);
    snprintf(ret->client_ca, sizeof(ret->client_ca), "%s/ca.crt", ret->directory);
}

void tls_files_remove(const struct tls_files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    unlink(files->client_ca);
    rmdir(files->directory);
}

void tls_files_write_server(const struct tls_files *files, const struct tls_identity *server)
{
    tls_identity_write_certificate(files->certificate, server);
    tls_identity_write_key(files->key, server);
}
