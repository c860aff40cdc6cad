#include "bridge/providers/unified.h"

#include "bridge/domain/provider.h"
#include "bridge/providers/json_scan.h"

const char *const unified_reserved[] = {"account", "system", "provider", NULL};

const char *unified_tail(const struct route *r, struct arena *a)
{
    /* The three are [a-z0-9-] by construction: nothing in them needs an escape. */
    const struct bytes parts[] = {
        BYTES_LITERAL("\"account\":\""),
        bytes_of_text(r->account),
        BYTES_LITERAL("\",\"system\":\""),
        bytes_of_text(r->system),
        BYTES_LITERAL("\",\"provider\":\""),
        bytes_of_text(r->provider->name),
        BYTES_LITERAL("\""),
    };
    return arena_join(a, parts, sizeof(parts) / sizeof(parts[0]));
}

static bool is_dropped(struct bytes key, const char *const dropped[])
{
    for (; *dropped != NULL; dropped++)
        if (json_scan_key_is(key, *dropped))
            return true;
    return false;
}

static bool needs_rebuilding(struct bytes element, const struct unified_change *change)
{
    struct json_member member;
    for (size_t at = 0; json_scan_next_member(element, &at, &member);)
        if (is_dropped(member.key, change->dropped))
            return true;
    return *change->head != '\0';
}

/* An object under construction, in memory that is large enough. */
struct object {
    uint8_t *data;
    size_t len;
    bool has_members;
};

static void object_append(struct object *o, const void *data, size_t len)
{
    memcpy(o->data + o->len, data, len);
    o->len += len;
}

static void object_add(struct object *o, struct bytes members)
{
    if (members.len == 0)
        return;
    if (o->has_members)
        object_append(o, ",", 1);
    object_append(o, members.data, members.len);
    o->has_members = true;
}

enum status unified_value(struct bytes element, const struct unified_change *change,
                          struct arena *a, struct bytes *ret)
{
    const size_t punctuation = 4;
    struct object o = {
        .data =
            arena_alloc(a, strlen(change->head) + element.len + strlen(change->tail) + punctuation),
    };
    if (o.data == NULL)
        return STATUS_NOMEM;

    struct json_member member;
    size_t at = 0;
    if (!needs_rebuilding(element, change)) {
        object_append(&o, element.data, element.len - 1);
        o.has_members = json_scan_next_member(element, &at, &member);
    } else {
        object_append(&o, "{", 1);
        object_add(&o, bytes_of_text(change->head));
        while (json_scan_next_member(element, &at, &member))
            if (!is_dropped(member.key, change->dropped))
                object_add(&o, member.whole);
    }
    object_add(&o, bytes_of_text(change->tail));
    object_append(&o, "}", 1);
    *ret = bytes_of(o.data, o.len);
    return STATUS_OK;
}
