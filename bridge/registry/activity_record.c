#include "bridge/registry/activity_record.h"

#include <stddef.h>

#include "bridge/registry/record_form.h"

/* A count has the form of an instant: a number that is not negative. */
#define NUMBER(member) RECORD_INSTANT, offsetof(struct activity_record, member), 0, true, NULL, 0

static const struct record_field fields[] = {
    {"first_at_unix_ms", NUMBER(first_at_unix_ms)},
    {"last_at_unix_ms", NUMBER(last_at_unix_ms)},
    {"callbacks", NUMBER(callbacks)},
};
static const struct record_form form = {"activity record", sizeof(struct activity_record), fields,
                                        sizeof(fields) / sizeof(fields[0])};

enum status activity_record_write(const struct activity_record *r, struct buf *ret)
{
    return record_form_write(&form, r, ret);
}

enum status activity_record_read(struct bytes json, struct activity_record *ret, struct diag *diag)
{
    void *read = NULL;
    enum status status = record_form_read(&form, json, &read, diag);
    if (status != STATUS_OK)
        return status;
    *ret = *(struct activity_record *)read;
    record_form_free(read);
    return STATUS_OK;
}
