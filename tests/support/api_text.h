/* What a provider's API functions return, as text that a test can compare whole. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/domain/provider.h"
#include "bridge/domain/provider_api.h"

/* Memory and keys of one test. */
struct api_text {
    struct arena *arena;
    struct secret *api_key;     /* "api-key-of-the-tenant" */
    struct secret *account_key; /* "account-key-of-acme" */
    struct buf text;            /* what was appended since api_text_begin() */
};

void api_text_begin(struct api_text *t);
void api_text_done(struct api_text *t);

/* Credentials with both keys. */
struct provider_credentials api_text_credentials(const struct api_text *t, const char *provider,
                                                 const char *base_url, const char *company_id,
                                                 const char *environment_name);

/* "POST URL | Header: value | ... | body\n", or "status: diag\n". */
void api_text_request(struct api_text *t, enum status status, const struct provider_request *r,
                      const struct diag *diag);

/* "resource/event[: names]\n" each, then "error|warning FIELD[n.i]: text\n" each. */
void api_text_expansion(struct api_text *t, const struct expansion *e);

/* "verdict[: reason]\n", then an entry a line. */
void api_text_listing(struct api_text *t, const struct listing *l);
void api_text_created(struct api_text *t, const struct created *c);
void api_text_outcome(struct api_text *t, const struct provider_outcome *o);
