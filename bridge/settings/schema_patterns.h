/* The checks of url.c, address.c and their like as regular expressions, for the JSON Schema. A test
 * compares both on many values.
 *
 * They keep to what ECMA-262 and RE2 both know, since validators are written in many languages: no
 * lookaround, no \u, no count above 1000. Helm, for one, reads them with Go's RE2.
 * Source: https://github.com/google/re2/wiki/Syntax; JSON Schema 2020-12 Core §6.4.
 */
#pragma once

#define SCHEMA_LINE "^[^\\x00-\\x1f\\x7f]+$"
#define SCHEMA_LINE_OR_NOTHING "^[^\\x00-\\x1f\\x7f]*$"

#define SCHEMA_PORT_FROM_60000 "6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
/* 0..65535, in up to five digits. */
#define SCHEMA_PORT "([0-5]?[0-9]{1,4}|" SCHEMA_PORT_FROM_60000 ")"
/* 1..65535, likewise. */
#define SCHEMA_REAL_PORT                                                                           \
    "(0{0,4}[1-9]|0{0,3}[1-9][0-9]|0{0,2}[1-9][0-9]{2}|0?[1-9][0-9]{3}|[1-5][0-9]{4}"              \
    "|" SCHEMA_PORT_FROM_60000 ")"

#define SCHEMA_ADDRESS "^(\\[.*\\]|[^:]*):" SCHEMA_PORT "$"

#define SCHEMA_BROKER                                                                              \
    " *((PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://)?"                                              \
    "(\\[[0-9a-fA-F:.]+\\]|[^\\[\\] ,:/@]+):" SCHEMA_REAL_PORT
#define SCHEMA_BROKERS "^" SCHEMA_BROKER "(," SCHEMA_BROKER ")*$"

#define SCHEMA_HOST "(\\[[0-9a-fA-F:.]+\\]|[^\\[\\] :/?#@]+)"
#define SCHEMA_LOOPBACK "(localhost|\\[::1\\]|127\\.[0-9.]*)"
#define SCHEMA_PORT_AND_PATH "(:" SCHEMA_REAL_PORT ")?(/[^ ?#@]*[^ ?#@/])?$"
#define SCHEMA_URL "^https?://" SCHEMA_HOST SCHEMA_PORT_AND_PATH
#define SCHEMA_PUBLIC_URL                                                                          \
    "^(https://" SCHEMA_HOST "|http://" SCHEMA_LOOPBACK ")" SCHEMA_PORT_AND_PATH

/* A topic's name: any but "." and "..". */
#define SCHEMA_TOPIC "\\.{0,2}[a-zA-Z0-9_-][a-zA-Z0-9._-]*|\\.{3}[a-zA-Z0-9._-]*"
