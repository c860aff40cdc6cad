/* kafka.raw: librdkafka properties that pass through, less those the bridge's promises rest on. */
#pragma once

#include "bridge/settings/setting.h"

/* Reads a map; a protected name or a value that is no scalar is a problem. */
void properties_read(const char *key, const struct node *map, struct load *l,
                     struct properties *ret);

/* Appends a flow map; redacted: values of secret ones are masked. */
void properties_print(const struct properties *p, bool redacted, struct buf *ret);

/* Why a property cannot be set here, and what to do instead; NULL if it can. */
const char *property_protection(const char *name);

/* The index-th protected name, NULL behind the last; a "*" at an end stands for any text. */
const char *property_protected(size_t index);

/* Whether a property of this name may hold a secret. */
bool property_is_secret(const char *name);
