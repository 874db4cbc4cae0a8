#include "lib/host/span.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/span_ring.h"

bool span_is_on, span_is_recorded;

/* Where the next span belongs: the innermost one that is open. */
static struct trace_context here;
static const char *state = "";
static int64_t since_1970_ns; /* clock_ns is so much behind: once a trace, so that its spans fit together */

static bool asks_parent;  /* parentbased_…: what the caller does, we do */
static uint64_t at_least; /* of the 56 random bits of a trace's id: those from here on are recorded */
static bool records_none; /* of those that begin here */
static bool sends_none;
static uint8_t process;

static const char *const processes[] = { "ashlar", "api-main", "api-slow", "api-hash", "worker", "realtime" };

enum { PROCESSES = sizeof(processes) / sizeof(*processes) };

const char *span_process(int number)
{
	return processes[number >= 0 && number < PROCESSES ? number : 0];
}

/* ------------------------------------------------------------------ ids */

static uint64_t seed;

/* A child of its own: with its parent's, it would give out the same ids. */
static void forget_seed(void)
{
	seed = 0;
}

/* xorshift64* */
uint64_t span_random(void)
{
	static bool is_watched;

	if (!seed && !is_watched)
		is_watched = !pthread_atfork(NULL, NULL, forget_seed);
	while (!seed)
		if (getrandom(&seed, sizeof(seed), 0) < 0)
			seed = (uint64_t)clock_ns() ^ (uint64_t)getpid() << 32;
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717u;
}

/* Not all zeros: that is none. */
static void make_id(uint8_t *out, size_t n)
{
	do
		for (size_t i = 0; i < n; i += 8) {
			uint64_t r = span_random();

			memcpy(out + i, &r, 8);
		}
	while (trace_context_is_none(out, n));
}

/* ------------------------------------------------------------------ what is recorded */

const char *span_check_ratio(const char *text)
{
	char *end;
	double ratio = strtod(text, &end);

	if (*text && (end == text || *end || !(ratio >= 0 && ratio <= 1)))
		return "must be a number from 0 to 1";
	return NULL;
}

CONFIG_CHECK("OTEL_TRACES_SAMPLER_ARG", cfg.otel_traces_sampler_arg, span_check_ratio)

static const uint64_t all_ids = 1ull << 56;

void span_init(const char *name)
{
	const char *sampler = cfg.otel_traces_sampler;
	double ratio = *cfg.otel_traces_sampler_arg ? strtod(cfg.otel_traces_sampler_arg, NULL) : 1;

	for (uint8_t i = 0; i < PROCESSES; i++)
		if (!strcmp(processes[i], name))
			process = i;
	span_is_on = cfg.otel_enabled;
	sends_none = !strcmp(cfg.otel_traces_exporter, "none");
	asks_parent = !strncmp(sampler, "parentbased_", 12);
	sampler += asks_parent ? 12 : 0;
	if (!strcmp(sampler, "always_off"))
		ratio = 0;
	else if (!strcmp(sampler, "always_on"))
		ratio = 1;
	records_none = ratio <= 0;
	at_least = ratio >= 1 ? 0 : all_ids - (uint64_t)(ratio * (double)all_ids);
}

/* OpenTelemetry's threshold, of the last 7 bytes of a trace's id: all programs choose the same traces. */
static bool is_chosen(const uint8_t trace[16])
{
	uint64_t random = 0;

	for (int i = 9; i < 16; i++)
		random = random << 8 | trace[i];
	return !records_none && random >= at_least;
}

/* ------------------------------------------------------------------ one span */

static void start(struct span *s, enum span_kind kind, int64_t at_ns)
{
	s->kind = (uint8_t)kind;
	s->start_ns = at_ns; /* of clock_ns, until it ends */
	s->is_error = s->is_remote = false;
	s->process = process;
	s->lost = s->lost_links = 0;
	s->n = 1;
	s->data[0] = '\0';
}

static void set_name(struct span *s, const char *name)
{
	size_t n = strnlen(name, SPAN_DATA / 2);

	memcpy(s->data, name, n);
	s->data[n] = '\0';
	s->n = (uint16_t)(n + 1);
}

/* Its attributes are behind its name; to be called late, what has been added moves. */
static void set_name_late(struct span *s, const char *name)
{
	size_t n = strnlen(name, SPAN_DATA / 2);

	if (!s->kind)
		return;
	if (s->n + n > SPAN_DATA)
		n = SPAN_DATA - s->n;
	memmove(s->data + n + 1, s->data + 1, s->n - 1);
	memcpy(s->data, name, n);
	s->data[n] = '\0';
	s->n = (uint16_t)(s->n + n);
}

static void put(struct span *s, int64_t ended_ns)
{
	s->duration_ns = ended_ns > s->start_ns ? ended_ns - s->start_ns : 0;
	s->start_ns += since_1970_ns;
	span_ring_put(s);
	s->kind = 0;
}

void span_enter(struct span *s, enum span_kind kind, const struct trace_context *parent,
		const char *its_state)
{
	int64_t now = clock_ns();

	if (parent) {
		memcpy(s->trace, parent->trace, 16);
		memcpy(s->parent, parent->span, 8);
	} else {
		make_id(s->trace, 16);
		memset(s->parent, 0, 8);
	}
	make_id(s->id, 8);
	s->kind = 0;
	if (!span_is_on)
		return;
	since_1970_ns = clock_unix_ns() - now;
	memcpy(here.trace, s->trace, 16);
	memcpy(here.span, s->id, 8);
	here.is_sampled = parent && asks_parent ? parent->is_sampled : is_chosen(s->trace);
	span_is_recorded = here.is_sampled && !sends_none;
	state = its_state ? its_state : "";
	if (!span_is_recorded)
		return;
	start(s, kind, now);
	s->is_remote = parent;
	if (*state)
		span_text(s, SPAN_STATE, state);
}

void span_forget(void)
{
	span_is_recorded = here.is_sampled = false;
}

void span_began(struct span *s, int64_t at_ns)
{
	if (s->kind)
		s->start_ns = at_ns;
}

void span_leave(struct span *s, const char *name)
{
	if (span_is_recorded && s->kind) {
		set_name_late(s, name);
		put(s, clock_ns());
	}
	s->kind = 0;
	span_is_recorded = false;
	memset(&here, 0, sizeof(here));
	state = "";
}

void span_aside(struct span_place *p)
{
	*p = (struct span_place){ here, state, span_is_recorded };
	span_is_recorded = false;
	memset(&here, 0, sizeof(here));
	state = "";
}

void span_back(const struct span_place *p)
{
	here = p->here;
	state = p->state;
	span_is_recorded = p->is_recorded;
}

bool span_open(struct span *s, enum span_kind kind, const char *name)
{
	if (!span_is_recorded)
		return false;
	memcpy(s->trace, here.trace, 16);
	memcpy(s->parent, here.span, 8);
	make_id(s->id, 8);
	memcpy(here.span, s->id, 8);
	start(s, kind, clock_ns());
	set_name(s, name);
	return true;
}

void span_end(struct span *s)
{
	memcpy(here.span, s->parent, 8);
	if (span_is_recorded)
		put(s, clock_ns());
	s->kind = 0;
}

bool span_of(struct span *s, enum span_kind kind, const char *name, const struct trace_context *context,
	     int64_t begun_ns)
{
	s->kind = 0;
	if (!span_is_on || sends_none)
		return false;
	if (context) {
		memcpy(s->trace, context->trace, 16);
		memcpy(s->parent, context->span, 8);
	} else {
		make_id(s->trace, 16);
		memset(s->parent, 0, 8);
	}
	make_id(s->id, 8);
	if (!(context && asks_parent ? context->is_sampled : is_chosen(s->trace)))
		return false;
	start(s, kind, begun_ns);
	s->is_remote = context;
	set_name(s, name);
	return true;
}

void span_put(struct span *s, int64_t ended_ns)
{
	if (!s->kind)
		return;
	since_1970_ns = clock_unix_ns() - clock_ns();
	put(s, ended_ns);
}

/* ------------------------------------------------------------------ attributes */

static bool has_room(struct span *s, size_t n)
{
	if (s->n + n <= SPAN_DATA)
		return true;
	s->lost += s->lost < 255;
	return false;
}

void span_text_n(struct span *s, enum span_attribute what, const char *p, size_t n)
{
	if (!s->kind || !p || !has_room(s, n + 3))
		return;
	s->data[s->n] = (unsigned char)what;
	s->data[s->n + 1] = (unsigned char)(n & 255);
	s->data[s->n + 2] = (unsigned char)(n >> 8);
	memcpy(s->data + s->n + 3, p, n);
	s->n = (uint16_t)(s->n + n + 3);
}

void span_text(struct span *s, enum span_attribute what, const char *text)
{
	if (text)
		span_text_n(s, what, text, strlen(text));
}

void span_number(struct span *s, enum span_attribute what, int64_t v)
{
	if (!s->kind || !has_room(s, 9))
		return;
	s->data[s->n] = (unsigned char)what;
	memcpy(s->data + s->n + 1, &v, 8);
	s->n = (uint16_t)(s->n + 9);
}

void span_link(struct span *s, const struct trace_context *to)
{
	if (!s->kind)
		return;
	if (s->n + 25 > SPAN_DATA) {
		s->lost_links += s->lost_links < 255;
		return;
	}
	s->data[s->n] = SPAN_LINK;
	memcpy(s->data + s->n + 1, to->trace, 16);
	memcpy(s->data + s->n + 17, to->span, 8);
	s->n = (uint16_t)(s->n + 25);
}

bool span_context(struct trace_context *out)
{
	*out = here;
	return span_is_on && !trace_context_is_none(here.trace, 16);
}

const char *span_state(void)
{
	return state;
}
