#include "handlers/traces/store.h"

const struct store *store_configured(void)
{
	return &store_postgres;
}
