#include "bridge/domain/provider_api.h"

#include "bridge/base/secret.h"

const char *provider_method_name(enum provider_method method)
{
    switch (method) {
    case PROVIDER_GET:
        return "GET";
    case PROVIDER_POST:
        return "POST";
    case PROVIDER_PATCH:
        return "PATCH";
    case PROVIDER_DELETE:
        return "DELETE";
    }
    return "unknown";
}

const char *provider_verdict_name(enum provider_verdict verdict)
{
    switch (verdict) {
    case VERDICT_AMBIGUOUS:
        return "ambiguous";
    case VERDICT_OK:
        return "ok";
    case VERDICT_NO_SECRET:
        return "no-secret";
    case VERDICT_NOT_FOUND:
        return "not-found";
    case VERDICT_UNTRUSTED:
        return "untrusted";
    case VERDICT_RETRY_LATER:
        return "retry-later";
    case VERDICT_UNAUTHORIZED:
        return "unauthorized";
    case VERDICT_FORBIDDEN:
        return "forbidden";
    case VERDICT_REFUSED:
        return "refused";
    }
    return "unknown";
}

void created_done(struct created *c)
{
    secret_unref(c->secret);
    secret_unref(c->token);
    c->secret = NULL;
    c->token = NULL;
}
