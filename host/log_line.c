#include "host/log_line.h"

#include <string.h>
#include <strings.h>
#include <time.h>

const char *const log_line_levels[LOG_LINE_LEVELS] = { "error", "warn", "info" };

/* What programs call them. */
static const struct word {
	const char *name;
	enum log_line_level level;
} words[] = {
	{ "error", LOG_LINE_ERROR },    { "err", LOG_LINE_ERROR },   { "fatal", LOG_LINE_ERROR },
	{ "critical", LOG_LINE_ERROR }, { "crit", LOG_LINE_ERROR },  { "alert", LOG_LINE_ERROR },
	{ "panic", LOG_LINE_ERROR },    { "emerg", LOG_LINE_ERROR }, { "warn", LOG_LINE_WARN },
	{ "warning", LOG_LINE_WARN },   { "info", LOG_LINE_INFO },   { "notice", LOG_LINE_INFO },
	{ "debug", LOG_LINE_INFO },     { "trace", LOG_LINE_INFO },
};

static bool is_level(const char *p, size_t n, enum log_line_level *level)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i].name) == n && !strncasecmp(words[i].name, p, n)) {
			*level = words[i].level;
			return true;
		}
	return false;
}

/* Two or four digits; -1: they are none. */
static int digits(const char *p, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

size_t log_line_time(const char *p, size_t n, int64_t *us)
{
	struct tm t = { 0 };
	int64_t part = 0, unit = 100000;
	int hours, minutes;
	size_t i = 19;

	if (n < 19 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' ||
	    p[16] != ':')
		return 0;
	t.tm_year = digits(p, 4) - 1900;
	t.tm_mon = digits(p + 5, 2) - 1;
	t.tm_mday = digits(p + 8, 2);
	t.tm_hour = digits(p + 11, 2);
	t.tm_min = digits(p + 14, 2);
	t.tm_sec = digits(p + 17, 2);
	if (t.tm_year < 70 || t.tm_mon < 0 || t.tm_mon > 11 || t.tm_mday < 1 || t.tm_mday > 31 ||
	    t.tm_hour < 0 || t.tm_hour > 23 || t.tm_min < 0 || t.tm_min > 59 || t.tm_sec < 0 || t.tm_sec > 60)
		return 0;
	if (i + 1 < n && (p[i] == '.' || p[i] == ',') && digits(p + i + 1, 1) >= 0)
		for (i++; i < n && digits(p + i, 1) >= 0; i++, unit /= 10)
			part += unit * digits(p + i, 1);
	*us = (int64_t)timegm(&t) * 1000000 + part;
	if (i < n && p[i] == 'Z')
		return i + 1;
	if (n - i < 6 || (p[i] != '+' && p[i] != '-') || p[i + 3] != ':')
		return i;
	hours = digits(p + i + 1, 2);
	minutes = digits(p + i + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return i;
	*us -= (p[i] == '-' ? -1 : 1) * (hours * 60 + minutes) * 60 * 1000000LL;
	return i + 6;
}

/* Behind a string's closing quote; NULL: there is none. */
static const char *string_end(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

/* Behind a value; NULL: it has no end. */
static const char *value_end(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = string_end(p + 1, end);
			if (!p)
				return NULL;
			if (!depth)
				return p;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']' || *p == ',') && !depth)
			return p;
		else if (*p == '}' || *p == ']')
			depth--;
		p++;
	}
	return NULL;
}

static const char *blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static bool is_one_of(const char *p, size_t n, const char *const *names)
{
	for (; *names; names++)
		if (strlen(*names) == n && !memcmp(*names, p, n))
			return true;
	return false;
}

static void take_member(struct log_line *l, const char *name, size_t name_n, const char *p, size_t n)
{
	static const char *const times[] = { "timestamp", "time", "ts", "@timestamp", NULL };
	static const char *const levels[] = { "level", "severity", "lvl", NULL };
	static const char *const messages[] = { "message", "msg", NULL };
	static const char *const agents[] = { "agent", NULL };

	if (is_one_of(name, name_n, times))
		l->has_time = log_line_time(p, n, &l->at_us) > 0;
	else if (is_one_of(name, name_n, levels))
		is_level(p, n, &l->level);
	else if (is_one_of(name, name_n, messages))
		l->message = p, l->message_n = n;
	else if (is_one_of(name, name_n, agents))
		l->agent = p, l->agent_n = n;
}

/* The strings among an object's members.  False: it is no object. */
static bool read_object(const char *p, size_t n, struct log_line *l)
{
	const char *end = p + n, *name, *name_end, *value;

	for (p++;;) {
		p = blanks(p, end);
		if (p < end && *p == '}')
			return true;
		if (p >= end || *p != '"')
			return false;
		name = p + 1;
		p = string_end(name, end);
		if (!p)
			return false;
		name_end = p - 1;
		p = blanks(p, end);
		if (p >= end || *p != ':')
			return false;
		value = blanks(p + 1, end);
		p = value_end(value, end);
		if (!p || p == value)
			return false;
		if (*value == '"')
			take_member(l, name, (size_t)(name_end - name), value + 1, (size_t)(p - value) - 2);
		p = blanks(p, end);
		if (p < end && *p == ',')
			p++;
	}
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "2026-12-01T00:00:00Z [ERROR] text", of which time and level may be missing. */
static void read_text(const char *p, size_t n, struct log_line *l)
{
	const char *end = p + n, *word;
	size_t used = log_line_time(p, n, &l->at_us);

	l->has_time = used > 0;
	p = blanks(p + used, end);
	word = p;
	if (word < end && (*word == '[' || *word == '<'))
		word++;
	used = 0;
	while (word + used < end && is_letter(word[used]))
		used++;
	if (used && is_level(word, used, &l->level)) {
		p = word + used;
		while (p < end && (*p == ']' || *p == '>' || *p == ':' || *p == ' ' || *p == '\t'))
			p++;
	}
	l->message = p;
	l->message_n = (size_t)(end - p);
}

void log_line_read(const char *p, size_t n, struct log_line *l)
{
	*l = (struct log_line){ .level = LOG_LINE_INFO };
	if (n && *p == '{') {
		l->is_json = read_object(p, n, l);
		if (l->is_json && !l->message)
			l->is_json = false, l->message = p, l->message_n = n;
		if (l->message)
			return;
		*l = (struct log_line){ .level = LOG_LINE_INFO };
	}
	read_text(p, n, l);
}
