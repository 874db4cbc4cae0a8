#include "providers/import_date.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DAY_MS = 86400000 };

unsigned import_date_built_in(long id)
{
	if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || id == 36 || (id >= 50 && id <= 54) ||
	    id == 57 || id == 58)
		return IMPORT_DATE_DAY;
	if ((id >= 18 && id <= 21) || (id >= 32 && id <= 35) || id == 45 || id == 47 || id == 55 || id == 56)
		return IMPORT_DATE_CLOCK;
	return id == 22   ? IMPORT_DATE_DAY | IMPORT_DATE_CLOCK
	       : id == 46 ? IMPORT_DATE_CLOCK | IMPORT_DATE_ELAPSED
			  : 0;
}

/* Behind what stands in a code for itself, or is of no interest; the same place: it is none of that. */
static const char *skip(const char *p, unsigned *shows)
{
	const char *end;

	switch (*p) {
	case '"': end = strchr(p + 1, '"'); return end ? end + 1 : p + strlen(p);
	case '\\':
	case '_':
	case '*': return p[1] ? p + 2 : p + 1;
	case '[': /* a colour, a condition, a language; or what goes beyond 24 or 60 */
		end = strchr(p, ']');
		if (end && end - p > 1 && strspn(p + 1, "hHmMsS") == (size_t)(end - p - 1))
			*shows |= IMPORT_DATE_CLOCK | IMPORT_DATE_ELAPSED;
		return end ? end + 1 : p + strlen(p);
	default: break;
	}
	if (!strncasecmp(p, "General", 7))
		return p + 7;
	if (!strncasecmp(p, "AM/PM", 5)) {
		*shows |= IMPORT_DATE_CLOCK;
		return p + 5;
	}
	if (!strncasecmp(p, "A/P", 3)) {
		*shows |= IMPORT_DATE_CLOCK;
		return p + 3;
	}
	return (*p == 'E' || *p == 'e') && (p[1] == '+' || p[1] == '-') ? p + 2 : p;
}

unsigned import_date_code(const char *code)
{
	bool has_months = false; /* or minutes: what stands beside hours or seconds is */
	unsigned shows = 0;
	char before = '\0';

	while (*code && *code != ';') {
		unsigned was = shows;
		const char *next = skip(code, &shows);
		char c = (char)tolower((unsigned char)*code);

		if (next != code) {
			if (shows & IMPORT_DATE_ELAPSED && !(was & IMPORT_DATE_ELAPSED))
				before = 'h';
			code = next;
			continue;
		}
		code++;
		if (c == 'h' || c == 's') {
			shows |= IMPORT_DATE_CLOCK;
			if (c == 's' && before == 'm')
				has_months = false;
			before = c;
		} else if (c == 'm') {
			if (before != 'h' && before != 'm')
				has_months = true;
			before = before == 'h' ? 'h' : 'm';
		} else if (c == 'y' || c == 'd' || c == 'e' || c == 'g' || c == 'a' || c == 'b') {
			shows |= IMPORT_DATE_DAY;
			before = c;
		}
	}
	return has_months ? shows | IMPORT_DATE_DAY : shows;
}

/* A day of the calendar, of days since 1970 (as Howard Hinnant's "civil_from_days" reckons). */
static void calendar(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static void write_clock(char *out, size_t cap, int64_t ms)
{
	int n = snprintf(out, cap, "%02lld:%02d:%02d", (long long)(ms / 3600000), (int)(ms / 60000 % 60),
			 (int)(ms / 1000 % 60));

	if (ms % 1000 && n > 0)
		snprintf(out + n, cap - (size_t)n, ".%03d", (int)(ms % 1000));
}

bool import_date_write(char out[IMPORT_DATE_TEXT], double days, bool is_1904, unsigned shows, bool *is_date)
{
	int year = 1900, month = 2, day = 29;
	int64_t ms, whole;
	int n;

	if (!(days >= 0 && days < 2958466))
		return false;
	ms = (int64_t)floor(days * DAY_MS + 0.5);
	whole = ms / DAY_MS;
	*is_date = !(shows & IMPORT_DATE_ELAPSED) && (whole || is_1904) &&
		   !(shows == IMPORT_DATE_CLOCK && !whole);
	if (!*is_date) {
		write_clock(out, IMPORT_DATE_TEXT, ms);
		return true;
	}
	if (is_1904)
		calendar(whole - 24107, &year, &month, &day);
	else if (whole != 60)
		calendar(whole - (whole < 60 ? 25568 : 25569), &year, &month, &day);
	if (year > 9999)
		return false;
	n = snprintf(out, IMPORT_DATE_TEXT, "%04d-%02d-%02d", year, month, day);
	if ((ms % DAY_MS || shows & IMPORT_DATE_CLOCK) && n == 10) {
		out[n++] = 'T';
		write_clock(out + n, IMPORT_DATE_TEXT - (size_t)n, ms % DAY_MS);
	}
	return true;
}
