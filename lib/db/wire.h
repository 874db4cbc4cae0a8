/*
 * PostgreSQL's binary wire form: the types' numbers, which its catalog fixes
 * (its header is not among libpq's), and integers, whose sizes the type promises.
 */
#ifndef ASHLAR_WIRE_H
#define ASHLAR_WIRE_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
enum {
	BOOL = 16, BYTEA = 17, CHAR = 18, NAME = 19, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, OID = 26,
	JSON = 114, CIDR = 650, FLOAT4 = 700, FLOAT8 = 701, INET = 869, BPCHAR = 1042, VARCHAR = 1043,
	DATE = 1082, TIMESTAMP = 1114, TIMESTAMPTZ = 1184, NUMERIC = 1700, UUID = 2950, JSONB = 3802,

	BOOL_ARRAY = 1000, INT2_ARRAY = 1005, INT4_ARRAY = 1007, TEXT_ARRAY = 1009, BPCHAR_ARRAY = 1014,
	VARCHAR_ARRAY = 1015, INT8_ARRAY = 1016, FLOAT4_ARRAY = 1021, FLOAT8_ARRAY = 1022, INET_ARRAY = 1041,
	TIMESTAMP_ARRAY = 1115, DATE_ARRAY = 1182, TIMESTAMPTZ_ARRAY = 1185, NUMERIC_ARRAY = 1231,
	UUID_ARRAY = 2951, JSONB_ARRAY = 3807,
};
/* clang-format on */

static inline int16_t wire_int2(const char *p, int n)
{
	uint16_t v;

	assert(n == sizeof(v));
	memcpy(&v, p, sizeof(v));
	return (int16_t)be16toh(v);
}

static inline int32_t wire_int4(const char *p, int n)
{
	uint32_t v;

	assert(n == sizeof(v));
	memcpy(&v, p, sizeof(v));
	return (int32_t)be32toh(v);
}

static inline int64_t wire_int8(const char *p, int n)
{
	uint64_t v;

	assert(n == sizeof(v));
	memcpy(&v, p, sizeof(v));
	return (int64_t)be64toh(v);
}

static inline bool wire_bool(const char *p, int n)
{
	assert(n == 1);
	return *p != 0;
}

#endif
