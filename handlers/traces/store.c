#include "handlers/traces/store.h"

#include "providers/clickhouse.h"

const struct store *store_configured(void)
{
	return clickhouse_is_configured() ? &store_clickhouse : &store_postgres;
}
