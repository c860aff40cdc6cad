/* What the settings say of records, in the words of the envelope. */
#pragma once

#include "bridge/domain/envelope.h"
#include "bridge/settings/settings.h"

/* Borrows from the settings. */
struct envelope_options envelope_settings(const struct settings *s);

/* Likewise for what an operator can set for all providers. */
struct provider_options envelope_settings_provider(const struct settings *s);
