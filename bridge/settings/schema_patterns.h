/* The checks of url.c, address.c and their like as regular expressions (ECMA-262), for the JSON
 * Schema. A test compares both on many values. */
#pragma once

#define SCHEMA_LINE "^[^\\u0000-\\u001f\\u007f]+$"
#define SCHEMA_LINE_OR_NOTHING "^[^\\u0000-\\u001f\\u007f]*$"

/* 0..65535, in up to five digits. */
#define SCHEMA_PORT "([0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

#define SCHEMA_ADDRESS "^(\\[.*\\]|[^:]*):" SCHEMA_PORT "$"

#define SCHEMA_BROKER                                                                              \
    " *((PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://)?"                                              \
    "(\\[[0-9a-fA-F:.]+\\]|[^\\[\\] ,:/@]+):(?!0+(,|$))" SCHEMA_PORT
#define SCHEMA_BROKERS "^" SCHEMA_BROKER "(," SCHEMA_BROKER ")*$"

#define SCHEMA_URL_REST                                                                            \
    "(\\[[0-9a-fA-F:.]+\\]|[^\\[\\] :/?#@]+)(:(?!0+(/|$))" SCHEMA_PORT ")?(/[^ ?#@]*[^ ?#@/])?$"
#define SCHEMA_URL "^https?://" SCHEMA_URL_REST
#define SCHEMA_PUBLIC_URL                                                                          \
    "^(https://|http://(?=(localhost|\\[::1\\]|127\\.[0-9.]*)(:[0-9]+)?(/|$)))" SCHEMA_URL_REST
