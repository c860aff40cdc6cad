#include "bridge/providers/unified.h"

#include "bridge/domain/provider.h"

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

static bool is_dropped(const struct json_named *member, const char *const dropped[])
{
    for (; *dropped != NULL; dropped++)
        if (bytes_equal(member->name, bytes_of_text(*dropped)))
            return true;
    return false;
}

static bool needs_rebuilding(const struct element *element, const struct unified_change *change)
{
    for (size_t i = 0; i < element->members_len; i++)
        if (is_dropped(&element->members[i], change->dropped))
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

enum status unified_value(const struct element *element, const struct unified_change *change)
{
    const size_t punctuation = 4;
    const struct bytes value = element->event->value;
    const struct bytes head = bytes_of_text(change->head), tail = bytes_of_text(change->tail);
    struct object o = {
        .data = arena_alloc(element->arena, head.len + value.len + tail.len + punctuation),
    };
    if (o.data == NULL)
        return STATUS_NOMEM;

    if (!needs_rebuilding(element, change)) {
        object_append(&o, value.data, value.len - 1);
        o.has_members = element->members_len > 0;
    } else {
        object_append(&o, "{", 1);
        object_add(&o, head);
        for (size_t i = 0; i < element->members_len; i++)
            if (!is_dropped(&element->members[i], change->dropped))
                object_add(&o, element->members[i].whole);
    }
    object_add(&o, tail);
    object_append(&o, "}", 1);
    element->event->value = bytes_of(o.data, o.len);
    return STATUS_OK;
}
