#include "bridge/app/envelope_settings.h"

struct envelope_options envelope_settings(const struct settings *s)
{
    return (struct envelope_options){
        .topic_template = s->topics_template,
        .key_template = s->topics_key,
        .other_topic = s->topics_other,
        .token_topic = s->topics_token,
        .dead_letter_topic = s->topics_dead_letter,
        .format = (enum envelope_format)s->format,
        .trace = (enum envelope_trace)s->ingress_trace,
    };
}

struct provider_options envelope_settings_provider(const struct settings *s)
{
    return (struct provider_options){
        .signature_tolerance_ms = (int64_t)s->moneybird_signature_tolerance_s * 1000,
        .pass_entity = s->moneybird_entity == 1,
    };
}
