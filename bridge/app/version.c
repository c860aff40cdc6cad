#include "bridge/app/version.h"

#include <stdio.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <yaml.h>

#include "bridge/base/json_text.h"

struct library_version {
    const char *name;
    const char *built;
    const char *loaded;
};

#define LIBRARIES 5

static void list_libraries(struct library_version ret[LIBRARIES], char built_kafka[32],
                           char built_mhd[32])
{
    /* Both headers spell a version as 0xMMmmrrpp. */
    snprintf(built_kafka, 32, "%d.%d.%d", RD_KAFKA_VERSION >> 24, RD_KAFKA_VERSION >> 16 & 0xff,
             RD_KAFKA_VERSION >> 8 & 0xff);
    snprintf(built_mhd, 32, "%x.%x.%x", (unsigned)MHD_VERSION >> 24,
             (unsigned)MHD_VERSION >> 16 & 0xff, (unsigned)MHD_VERSION >> 8 & 0xff);
    ret[0] = (struct library_version){"librdkafka", built_kafka, rd_kafka_version_str()};
    ret[1] = (struct library_version){"libmicrohttpd", built_mhd, MHD_get_version()};
    ret[2] = (struct library_version){"openssl", OPENSSL_VERSION_STR,
                                      OpenSSL_version(OPENSSL_VERSION_STRING)};
    ret[3] = (struct library_version){"jansson", JANSSON_VERSION, jansson_version_str()};
    ret[4] = (struct library_version){"libyaml", NULL, yaml_get_version_string()};
}

const char *version_text(void)
{
    return BRIDGE_VERSION;
}

const char *version_date(void)
{
    return BRIDGE_DATE;
}

void version_print(void)
{
    struct library_version libraries[LIBRARIES];
    char kafka[32], mhd[32];
    list_libraries(libraries, kafka, mhd);
    printf("maesn-bridge %s\n", BRIDGE_VERSION);
    for (size_t i = 0; i < LIBRARIES; i++)
        printf("  %-14s %s%s%s%s\n", libraries[i].name, libraries[i].loaded,
               libraries[i].built == NULL ? "" : " (built with ",
               libraries[i].built == NULL ? "" : libraries[i].built,
               libraries[i].built == NULL ? "" : ")");
}

void version_json(struct buf *ret)
{
    struct library_version libraries[LIBRARIES];
    char kafka[32], mhd[32];
    list_libraries(libraries, kafka, mhd);
    buf_append_text(ret, "{\"version\":");
    json_text_string(ret, bytes_of_text(BRIDGE_VERSION));
    buf_append_text(ret, ",\"libraries\":{");
    for (size_t i = 0; i < LIBRARIES; i++) {
        buf_append_text(ret, i == 0 ? "" : ",");
        json_text_string(ret, bytes_of_text(libraries[i].name));
        buf_append_text(ret, ":");
        json_text_string(ret, bytes_of_text(libraries[i].loaded));
    }
    buf_append_text(ret, "}}\n");
}
