/*
 * Reading and printing the settings of config.def.
 *
 * Every mistake is reported, not only the first: an operator who fixes a file of
 * settings wants to do it once.
 */
#include "lib/host/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/mailbox.h"
#include "lib/base/uuid.h"

struct config cfg;

static struct config_check *checks;

void config_check(struct config_check *check)
{
	check->next = checks;
	checks = check;
}

enum kind { TEXT, SECRET, INT, BOOL, LIST, CHOICE };

struct setting {
	enum kind kind;
	const char *name;
	size_t offset;       /* of the field in struct config */
	const char *def;     /* as the environment would carry it */
	long min, max;       /* INT */
	const char *choices; /* CHOICE: "a|b|c" */
	const char *about;
};

/* clang-format off */
static const struct setting settings[] = {
#define ROW(kind, field, name, def, min, max, choices, about) \
	{ kind, name, offsetof(struct config, field), def, min, max, choices, about },
#define TEXT(field, name, def, about)            ROW(TEXT, field, name, def, 0, 0, NULL, about)
#define SECRET(field, name, def, about)          ROW(SECRET, field, name, def, 0, 0, NULL, about)
#define INT(field, name, def, min, max, about)   ROW(INT, field, name, #def, min, max, NULL, about)
#define BOOL(field, name, def, about)            ROW(BOOL, field, name, #def, 0, 0, NULL, about)
#define LIST(field, name, def, about)            ROW(LIST, field, name, def, 0, 0, NULL, about)
#define CHOICE(field, name, def, choices, about) ROW(CHOICE, field, name, def, 0, 0, choices, about)
#include "lib/host/config.def"
#undef TEXT
#undef SECRET
#undef INT
#undef BOOL
#undef LIST
#undef CHOICE
#undef ROW
	{ TEXT, NULL, 0, NULL, 0, 0, NULL, NULL },
};
/* clang-format on */

/* The strings and lists of cfg; a later config_load starts over. */
static struct arena memory;

/* Where mistakes go, and how many there were. */
struct report {
	FILE *out;
	int mistakes;
};

__attribute__((format(printf, 3, 4))) static void mistake(struct report *r, const char *name, const char *fmt,
							  ...)
{
	va_list ap;

	fprintf(r->out, "%s: ", name);
	va_start(ap, fmt);
	vfprintf(r->out, fmt, ap);
	va_end(ap);
	fputc('\n', r->out);
	r->mistakes++;
}

static void *field_of(const struct setting *s)
{
	return (char *)&cfg + s->offset;
}

static bool has_control(const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return true;
	}
	return false;
}

/* Is word one of "a|b|c"? */
static bool is_choice(const char *choices, const char *word)
{
	size_t n = strlen(word);

	if (!n || strchr(word, '|'))
		return false;
	for (const char *p = choices; p; p = strchr(p, '|')) {
		p += *p == '|';
		if (!strncmp(p, word, n) && (p[n] == '|' || !p[n]))
			return true;
	}
	return false;
}

static bool parse_int(const char *text, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return !errno && end != text && !*end;
}

/* "a, b,c" as a NULL-terminated list without the spaces and the empty ones. */
static const char *const *parse_list(const char *text)
{
	size_t n = 0, room = 2;
	const char **list;

	for (const char *p = text; *p; p++)
		room += *p == ',';
	list = arena_alloc(&memory, room * sizeof(*list));
	while (*text) {
		size_t len = strcspn(text, ",");
		size_t from = strspn(text, " \t"), to = len;

		while (to > from && strchr(" \t", text[to - 1]))
			to--;
		if (to > from)
			list[n++] = arena_dup_n(&memory, text + from, to - from);
		text += len + (text[len] == ',');
	}
	return list;
}

/* Give one field its value; after a mistake it has its default. */
static void set(struct report *r, const struct setting *s, const char *text)
{
	static const char *const yes = "true|on|yes|1", *const no = "false|off|no|0";
	void *field = field_of(s);
	long n;

	switch (s->kind) {
	case TEXT:
	case SECRET:
		if (has_control(text)) {
			mistake(r, s->name, "must have no control characters");
			text = s->def;
		}
		*(const char **)field = arena_dup(&memory, text);
		break;
	case INT:
		if (!parse_int(text, &n) || n < s->min || n > s->max) {
			mistake(r, s->name, "must be a whole number from %ld to %ld, is \"%s\"", s->min,
				s->max, text);
			parse_int(s->def, &n);
		}
		*(long *)field = n;
		break;
	case BOOL:
		if (!is_choice(yes, text) && !is_choice(no, text)) {
			mistake(r, s->name, "must be true or false, is \"%s\"", text);
			text = s->def;
		}
		*(bool *)field = is_choice(yes, text);
		break;
	case LIST: *(const char *const **)field = parse_list(text); break;
	case CHOICE:
		if (!is_choice(s->choices, text)) {
			mistake(r, s->name, "must be one of %s, is \"%s\"", s->choices, text);
			text = s->def;
		}
		*(const char **)field = arena_dup(&memory, text);
		break;
	}
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* scheme://host with something for a host, and nothing in it that a URL cannot have. */
static bool is_url(const char *text)
{
	const char *host;

	if (!starts_with(text, "https://") && !starts_with(text, "http://"))
		return false;
	host = strstr(text, "://") + 3;
	return *host && !strchr("/?#:", *host) && !strpbrk(text, " \"<>\\^`{|}");
}

static bool is_date(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	int day = tm.tm_mday;

	if (strlen(text) != 10 || !end || *end)
		return false;
	/* timegm moves the 30th of February on to March. */
	return timegm(&tm) != -1 && tm.tm_mday == day;
}

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* An address, or a network: an address and how many of its bits count. */
static bool is_network(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[64];
	long bits;

	if (!slash)
		return is_address(text);
	if ((size_t)(slash - text) >= sizeof(address) || !parse_int(slash + 1, &bits))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	return is_address(address) && bits >= 0 && bits <= (strchr(address, ':') ? 128 : 32);
}

/* A domain's name, or localhost: labels of letters, digits and hyphens. */
static bool is_domain(const char *text)
{
	size_t n;
	int labels = 0;

	for (const char *p = text; *p; p += n + (p[n] == '.' && p[n + 1])) {
		n = strcspn(p, ".");
		if (!n || n > 63 || *p == '-' || p[n - 1] == '-' ||
		    strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-") != n || (p[n] == '.' && !p[n + 1]))
			return false;
		labels++;
	}
	return !is_address(text) && (labels > 1 || !strcmp(text, "localhost"));
}

/* 10.1.2.3:8080 or [fd00::1]:443 */
static bool is_address_and_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	char address[64];
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool in_brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
	long port;

	if (!n || n >= sizeof(address) || !parse_int(colon + 1, &port) || port < 1 || port > 65535)
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)n - 2 * in_brackets, text + in_brackets);
	return is_address(address) && in_brackets == (strchr(address, ':') != NULL);
}

static void check_database(struct report *r, const char *name, const char *url)
{
	char *problem = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &problem);

	/* libpq's message may quote the URL, and with it the password. */
	if (!options)
		mistake(r, name, "is neither a postgresql:// URI nor keyword=value pairs");
	PQconninfoFree(options);
	PQfreemem(problem);
}

/* Over plain http, keys could be replaced and secrets read on their way. */
static void check_key_url(struct report *r, const char *name, const char *url)
{
	if (*url && !is_url(url))
		mistake(r, name, "must be an https:// URL, is \"%s\"", url);
	else if (starts_with(url, "http://") && !config_is_development())
		mistake(r, name, "must be https:// outside development, is \"%s\"", url);
}

/* Where an issuer's key set is when its setting is left empty: OpenID Connect's usual place. */
static const char *key_url(const char *given, const char *issuer)
{
	if (*given || !*issuer)
		return given;
	return arena_fmt(&memory, "%s%s.well-known/jwks.json", issuer, ends_with(issuer, "/") ? "" : "/");
}

static void check_limits(struct report *r)
{
	if (!cfg.security_limits && !config_is_development())
		mistake(r, "SECURITY_LIMITS", "must be on where ENVIRONMENT is production");
}

/*
 * Webhooks that we send.  A word that reads as 0 would send one again and again
 * without a pause; a lease that ends first would send it again before it is
 * answered.
 */
static void check_deliveries(struct report *r)
{
	const char *const *delay = cfg.webhook_retry_schedule;

	if (!delay || !*delay)
		mistake(r, "WEBHOOK_RETRY_SCHEDULE", "must have at least one attempt");
	for (; delay && *delay; delay++) {
		char *end;
		double s = strtod(*delay, &end);

		if (end == *delay || *end || !(s >= 0 && s <= 2592000))
			mistake(r, "WEBHOOK_RETRY_SCHEDULE", "must be seconds from 0 to 2592000, has \"%s\"",
				*delay);
	}
	if (cfg.webhook_lease_s * 1000 <= cfg.webhook_timeout_ms)
		mistake(r, "WEBHOOK_LEASE_S", "must be longer than WEBHOOK_TIMEOUT_MS, %ld ms, is %ld s",
			cfg.webhook_timeout_ms, cfg.webhook_lease_s);
}

static void check_issuers(struct report *r)
{
	const struct {
		const char *name, *issuer;
	} issuers[] = {
		{ "JWT_ISSUER", cfg.jwt_issuer },
		{ "SUPABASE_ISSUER", cfg.supabase_issuer },
		{ "CLERK_ISSUER", cfg.clerk_issuer },
		{ "OIDC_ISSUER", cfg.oidc_issuer },
	};

	if (*cfg.jwt_secret && strlen(cfg.jwt_secret) < 32)
		mistake(r, "JWT_SECRET", "must be at least 32 bytes, has %zu; openssl rand -hex 32 makes one",
			strlen(cfg.jwt_secret));
	if (!*cfg.jwt_issuer)
		mistake(r, "JWT_ISSUER", "must not be empty");
	if (!*cfg.jwt_audience)
		mistake(r, "JWT_AUDIENCE", "must not be empty");
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < i; j++) {
			if (*issuers[i].issuer && !strcmp(issuers[i].issuer, issuers[j].issuer))
				mistake(r, issuers[i].name, "is the same as %s; a token could be of either",
					issuers[j].name);
		}
	}

	if (!*cfg.supabase_issuer && (*cfg.supabase_jwt_secret || *cfg.supabase_jwks_url))
		mistake(r, "SUPABASE_ISSUER", "must be set when SUPABASE_JWT_SECRET or SUPABASE_JWKS_URL is");
	if (*cfg.supabase_jwt_secret && *cfg.supabase_jwks_url)
		mistake(r, "SUPABASE_JWKS_URL", "and SUPABASE_JWT_SECRET exclude each other");
	if (*cfg.supabase_jwt_secret && strlen(cfg.supabase_jwt_secret) < 32)
		mistake(r, "SUPABASE_JWT_SECRET", "must be at least 32 bytes, has %zu",
			strlen(cfg.supabase_jwt_secret));
	if (!*cfg.clerk_issuer && *cfg.clerk_jwks_url)
		mistake(r, "CLERK_ISSUER", "must be set when CLERK_JWKS_URL is");
	if (!*cfg.oidc_issuer && (*cfg.oidc_jwks_url || *cfg.oidc_pem_file))
		mistake(r, "OIDC_ISSUER", "must be set when OIDC_JWKS_URL or OIDC_PEM_FILE is");
	if (*cfg.oidc_pem_file && *cfg.oidc_jwks_url)
		mistake(r, "OIDC_PEM_FILE", "and OIDC_JWKS_URL exclude each other");
	if (*cfg.oidc_pem_file && access(cfg.oidc_pem_file, R_OK))
		mistake(r, "OIDC_PEM_FILE", "cannot be read: %s: %s", cfg.oidc_pem_file, strerror(errno));

	if (!*cfg.supabase_jwt_secret)
		cfg.supabase_jwks_url = key_url(cfg.supabase_jwks_url, cfg.supabase_issuer);
	cfg.clerk_jwks_url = key_url(cfg.clerk_jwks_url, cfg.clerk_issuer);
	if (!*cfg.oidc_pem_file)
		cfg.oidc_jwks_url = key_url(cfg.oidc_jwks_url, cfg.oidc_issuer);
	check_key_url(r, "SUPABASE_JWKS_URL", cfg.supabase_jwks_url);
	check_key_url(r, "CLERK_JWKS_URL", cfg.clerk_jwks_url);
	check_key_url(r, "OIDC_JWKS_URL", cfg.oidc_jwks_url);
	check_key_url(r, "GOOGLE_AUTH_URL", cfg.google_auth_url);
	check_key_url(r, "GOOGLE_TOKEN_URL", cfg.google_token_url);
	check_key_url(r, "GOOGLE_JWKS_URL", cfg.google_jwks_url);
	if (!*cfg.google_issuer)
		mistake(r, "GOOGLE_ISSUER", "must not be empty");
}

static void check_mail(struct report *r)
{
	const struct {
		const char *name, *value;
		bool has_name;
	} boxes[] = {
		{ "MAIL_FROM", cfg.mail_from, true },
		{ "MAIL_REPLY_TO", cfg.mail_reply_to, true },
		{ "MAIL_BOUNCE", cfg.mail_bounce, false },
		{ "ADMIN_EMAIL", cfg.admin_email, false },
	};
	struct mail_server server;
	struct mailbox box;
	const char *problem = *cfg.mail_url ? mailbox_server_parse(&memory, cfg.mail_url, &server) : NULL;

	if (problem)
		mistake(r, "MAIL_URL", "%s", problem);
	if (*cfg.mail_url && !*cfg.mail_from)
		mistake(r, "MAIL_FROM", "must be set when MAIL_URL is");
	for (size_t i = 0; i < sizeof(boxes) / sizeof(*boxes); i++) {
		if (*boxes[i].value && (boxes[i].has_name ? !mailbox_parse(&memory, boxes[i].value, &box)
							  : !mailbox_is_address(boxes[i].value)))
			mistake(r, boxes[i].name, "must be %s, is \"%s\"",
				boxes[i].has_name ? "an address, or Name <address>" : "an address",
				boxes[i].value);
	}
	if (*cfg.mail_dir && cfg.mail_dir[0] != '/')
		mistake(r, "MAIL_DIR", "must be an absolute path, is \"%s\"", cfg.mail_dir);
	if (*cfg.mail_templates && access(cfg.mail_templates, R_OK | X_OK))
		mistake(r, "MAIL_TEMPLATES", "cannot be read: %s: %s", cfg.mail_templates, strerror(errno));
	if (*cfg.mail_ca_file && access(cfg.mail_ca_file, R_OK))
		mistake(r, "MAIL_CA_FILE", "cannot be read: %s: %s", cfg.mail_ca_file, strerror(errno));
}

static void check_contact(struct report *r)
{
	if (*cfg.contact_webhook_url && !is_url(cfg.contact_webhook_url))
		mistake(r, "CONTACT_WEBHOOK_URL", "must be an http:// or https:// URL");
	if (*cfg.contact_webhook_url && strlen(cfg.contact_webhook_secret) < 16)
		mistake(r, "CONTACT_WEBHOOK_SECRET",
			"must be at least 16 bytes when CONTACT_WEBHOOK_URL is set, has %zu",
			strlen(cfg.contact_webhook_secret));
}

/* Each word of a list, with a name for what it must begin with, or of a length. */
static void check_secrets(struct report *r, const char *name, const char *list, const char *prefix,
			  size_t min)
{
	for (size_t n; *list; list += n) {
		list += strspn(list, ", ");
		n = strcspn(list, ", ");
		if (n && prefix && (n <= strlen(prefix) || strncmp(list, prefix, strlen(prefix)) != 0))
			mistake(r, name, "must be secrets that begin with %s", prefix);
		else if (n && n < min)
			mistake(r, name, "must be secrets of at least %zu characters", min);
	}
}

static void check_file(struct report *r, const char *name, const char *path)
{
	if (*path && access(path, R_OK))
		mistake(r, name, "cannot be read: %s: %s", path, strerror(errno));
}

/* What Stripe is asked with.  A publishable key would be sent, and refused, at the first payment only. */
static void check_stripe(struct report *r)
{
	const char *key = cfg.stripe_secret_key;

	if (*key && ((!starts_with(key, "sk_") && !starts_with(key, "rk_")) ||
		     (!starts_with(key + 3, "test_") && !starts_with(key + 3, "live_")) || !key[8]))
		mistake(r, "STRIPE_SECRET_KEY", "must be a secret or restricted key, sk_… or rk_…");
	check_key_url(r, "STRIPE_API_URL", cfg.stripe_api_url);
	if (ends_with(cfg.stripe_api_url, "/"))
		mistake(r, "STRIPE_API_URL", "must not end with a slash");
}

/* Webhooks that others send us. */
static void check_webhooks(struct report *r)
{
	check_secrets(r, "STRIPE_WEBHOOK_SECRET", cfg.stripe_webhook_secret, "whsec_", 0);
	check_secrets(r, "CLERK_WEBHOOK_SECRET", cfg.clerk_webhook_secret, "whsec_", 0);
	check_secrets(r, "CLERK_CHECK_SECRET", cfg.clerk_check_secret, NULL, 16);
	check_secrets(r, "SUPABASE_WEBHOOK_SECRET", cfg.supabase_webhook_secret, NULL, 16);
	if (*cfg.clerk_webhook_secret && !*cfg.clerk_issuer)
		mistake(r, "CLERK_WEBHOOK_SECRET", "needs CLERK_ISSUER, whose users the webhooks are about");
	if (*cfg.supabase_webhook_secret && !*cfg.supabase_issuer)
		mistake(r, "SUPABASE_WEBHOOK_SECRET",
			"needs SUPABASE_ISSUER, whose users the webhooks are about");
	check_file(r, "APPLE_ROOT_CA", cfg.apple_root_ca);
	if (*cfg.apple_root_ca && !*cfg.apple_bundle_ids)
		mistake(r, "APPLE_ROOT_CA", "needs APPLE_BUNDLE_IDS, the apps whose notifications are taken");
	if (*cfg.google_pubsub_audience &&
	    (!*cfg.google_pubsub_email || !*cfg.google_play_packages || !*cfg.google_play_key_file))
		mistake(r, "GOOGLE_PUBSUB_AUDIENCE",
			"needs GOOGLE_PUBSUB_EMAIL, GOOGLE_PLAY_PACKAGES and GOOGLE_PLAY_KEY_FILE");
	check_file(r, "GOOGLE_PLAY_KEY_FILE", cfg.google_play_key_file);
	check_key_url(r, "GOOGLE_PLAY_URL", cfg.google_play_url);
	if (ends_with(cfg.google_play_url, "/"))
		mistake(r, "GOOGLE_PLAY_URL", "must not end with a slash");
}

static void check_traces(struct report *r)
{
	const struct {
		const char *name, *value;
	} urls[] = {
		{ "OTEL_EXPORTER_OTLP_ENDPOINT", cfg.otel_endpoint },
		{ "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", cfg.otel_traces_endpoint },
		{ "OTEL_EXPORTER_ZIPKIN_ENDPOINT", cfg.otel_zipkin_endpoint },
	};

	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
		if (*urls[i].value && !is_url(urls[i].value))
			mistake(r, urls[i].name, "must be an http:// or https:// URL, is \"%s\"",
				urls[i].value);
	check_file(r, "OTEL_EXPORTER_OTLP_CERTIFICATE", cfg.otel_certificate);
	if (*cfg.otel_exporter && !is_choice("otlp|zipkin|console|none", cfg.otel_exporter))
		mistake(r, "OTEL_EXPORTER", "must be one of otlp|zipkin|console|none, is \"%s\"",
			cfg.otel_exporter);
	else if (*cfg.otel_exporter)
		cfg.otel_traces_exporter = cfg.otel_exporter;
}

/* An endpoint is a scheme and a host: what is signed is made of it as it stands. */
static void check_bucket(struct report *r)
{
	const char *host = strstr(cfg.s3_endpoint, "://");

	if (!*cfg.s3_bucket)
		return;
	if (!is_url(cfg.s3_endpoint) || strpbrk(host + 3, "/?#@"))
		mistake(r, "S3_ENDPOINT",
			"must be a URL without a path, such as https://s3.eu-central-1.amazonaws.com, with "
			"S3_BUCKET; is \"%s\"",
			cfg.s3_endpoint);
	if (cfg.s3_bucket[strspn(cfg.s3_bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-")])
		mistake(r, "S3_BUCKET", "must be a name of a-z, 0-9, dots and hyphens, is \"%s\"",
			cfg.s3_bucket);
	if (!*cfg.s3_region)
		mistake(r, "S3_REGION", "must be set with S3_BUCKET");
	if (!*cfg.s3_access_key_id || !*cfg.s3_secret_access_key)
		mistake(r, "S3_SECRET_ACCESS_KEY", "must be set with S3_BUCKET, and S3_ACCESS_KEY_ID");
}

static void check_clickhouse(struct report *r)
{
	const char *host = strstr(cfg.clickhouse_url, "://");

	if (!*cfg.clickhouse_url)
		return;
	if (!is_url(cfg.clickhouse_url) || strpbrk(host + 3, "/?#@"))
		mistake(r, "CLICKHOUSE_URL",
			"must be a URL without a path, a user and a password, such as http://127.0.0.1:8123; "
			"is \"%s\"",
			cfg.clickhouse_url);
	if (!*cfg.clickhouse_database ||
	    cfg.clickhouse_database[strspn(
		    cfg.clickhouse_database,
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] ||
	    (*cfg.clickhouse_database >= '0' && *cfg.clickhouse_database <= '9'))
		mistake(r, "CLICKHOUSE_DATABASE",
			"must be a name of letters, digits and underscores, is \"%s\"",
			cfg.clickhouse_database);
}

/* What no single setting can tell. */
static void check(struct report *r)
{
	for (const struct config_check *c = checks; c; c = c->next) {
		const char *problem = c->problem(*c->value);

		if (problem)
			mistake(r, c->name, "%s", problem);
	}
	if (!is_url(cfg.public_url) || ends_with(cfg.public_url, "/"))
		mistake(r, "PUBLIC_URL", "must be an https:// URL without a trailing slash, is \"%s\"",
			cfg.public_url);
	check_limits(r);
	if (*cfg.dashboard_url && (!is_url(cfg.dashboard_url) || ends_with(cfg.dashboard_url, "/")))
		mistake(r, "DASHBOARD_URL", "must be an https:// URL without a trailing slash, is \"%s\"",
			cfg.dashboard_url);
	if (*cfg.webauthn_rp_id && !is_domain(cfg.webauthn_rp_id))
		mistake(r, "WEBAUTHN_RP_ID",
			"must be a domain such as example.com, in lower case and without scheme or port, is "
			"\"%s\"",
			cfg.webauthn_rp_id);
	if (*cfg.webhooks_in_tenant && !uuid_bytes(cfg.webhooks_in_tenant, (unsigned char[16]){ 0 }))
		mistake(r, "WEBHOOKS_IN_TENANT",
			"must be a tenant's id, and not its slug; ashlar tenant list prints both; is \"%s\"",
			cfg.webhooks_in_tenant);
	check_deliveries(r);
	check_database(r, "DATABASE_URL", cfg.database_url);
	check_database(r, "DATABASE_OWNER_URL", cfg.database_owner_url);
	check_issuers(r);
	check_stripe(r);
	check_webhooks(r);
	check_mail(r);
	check_contact(r);
	check_traces(r);
	check_bucket(r);
	check_clickhouse(r);

	for (const char *const *p = cfg.cors_origins; *p; p++) {
		if (strcmp(*p, "*") && (!is_url(*p) || strpbrk(strstr(*p, "://") + 3, "/?#@")))
			mistake(r, "CORS_ORIGINS",
				"must be origins such as https://app.example.com or *, has \"%s\"", *p);
	}
	for (const char *const *p = cfg.metrics_allow; *p; p++) {
		if (strcmp(*p, "*") && !is_network(*p))
			mistake(r, "METRICS_ALLOW",
				"must be IPv4 or IPv6 addresses, networks such as 10.0.0.0/8, or *, has "
				"\"%s\"",
				*p);
	}
	for (const char *const *p = cfg.http_allow_private; *p; p++) {
		if (!is_address_and_port(*p))
			mistake(r, "HTTP_ALLOW_PRIVATE",
				"must be pairs such as 10.1.2.3:8080 or [fd00::1]:443, has \"%s\"", *p);
	}
	if (cfg.shm_file[0] != '/')
		mistake(r, "SHM_FILE", "must be an absolute path, is \"%s\"", cfg.shm_file);

	if (*cfg.deprecated_at_v1 && !is_date(cfg.deprecated_at_v1))
		mistake(r, "DEPRECATED_AT_V1", "must be a date as YYYY-MM-DD, is \"%s\"",
			cfg.deprecated_at_v1);
	if (*cfg.sunset_at_v1 && !is_date(cfg.sunset_at_v1))
		mistake(r, "SUNSET_AT_V1", "must be a date as YYYY-MM-DD, is \"%s\"", cfg.sunset_at_v1);
	else if (*cfg.sunset_at_v1 && !*cfg.deprecated_at_v1)
		mistake(r, "SUNSET_AT_V1", "needs DEPRECATED_AT_V1: a version is deprecated before it ends");
	else if (*cfg.sunset_at_v1 && strcmp(cfg.sunset_at_v1, cfg.deprecated_at_v1) < 0)
		mistake(r, "SUNSET_AT_V1", "must not be before DEPRECATED_AT_V1");
}

/* What only a server needs. */
static void check_server(struct report *r)
{
	if (!*cfg.database_url)
		mistake(r, "DATABASE_URL",
			"must be set, e.g. postgresql://ashlar_api@/ashlar?host=/run/postgresql");
	if (!*cfg.jwt_secret && !*cfg.supabase_issuer && !*cfg.clerk_issuer && !*cfg.oidc_issuer)
		mistake(r, "JWT_SECRET", "must be set, or another issuer's settings: nobody could sign in");
	if (cfg.database_timeout_ms > cfg.request_timeout_s * 1000)
		mistake(r, "DATABASE_TIMEOUT_MS", "must not be more than REQUEST_TIMEOUT_S (%ld s)",
			cfg.request_timeout_s);
}

int config_load_offline(FILE *err)
{
	struct report r = { err, 0 };

	if (memory.chunks)
		arena_reset(&memory);
	else
		arena_init(&memory, 4096);
	for (const struct setting *s = settings; s->name; s++) {
		const char *text = getenv(s->name);

		/* An empty variable is how an environment file leaves a setting out. */
		set(&r, s, text && *text ? text : s->def);
	}
	check(&r);
	return r.mistakes;
}

int config_load(FILE *err)
{
	struct report r = { err, config_load_offline(err) };

	check_server(&r);
	return r.mistakes;
}

static void print_value(FILE *out, const struct setting *s)
{
	const void *field = field_of(s);
	const char *text;

	switch (s->kind) {
	case TEXT:
	case CHOICE: fputs(*(const char *const *)field, out); break;
	case SECRET:
		text = *(const char *const *)field;
		fputs(*text ? "********" : "", out);
		break;
	case INT: fprintf(out, "%ld", *(const long *)field); break;
	case BOOL: fputs(*(const bool *)field ? "true" : "false", out); break;
	case LIST:
		for (const char *const *p = *(const char *const *const *)field; *p; p++)
			fprintf(out, "%s%s", p == *(const char *const *const *)field ? "" : ",", *p);
		break;
	}
}

void config_print(FILE *out)
{
	for (const struct setting *s = settings; s->name; s++) {
		fprintf(out, "# %s\n", s->about);
		if (s->kind == INT)
			fprintf(out, "# %ld to %ld", s->min, s->max);
		else if (s->kind == CHOICE)
			fprintf(out, "# %s", s->choices);
		else
			fputc('#', out);
		fprintf(out, "%s default: %s\n%s=", s->kind == INT || s->kind == CHOICE ? ";" : "",
			*s->def ? s->def : "none", s->name);
		print_value(out, s);
		fputs("\n\n", out);
	}
}

/*
 * Is b one letter off a: one that is missing, too many or another, or two that
 * changed places?
 */
static bool is_near(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	if (!*a && !*b)
		return false;
	return (*a && *b && !strcmp(a + 1, b + 1)) || (*b && !strcmp(a, b + 1)) ||
	       (*a && !strcmp(a + 1, b)) ||
	       (a[0] && a[1] && a[0] == b[1] && a[1] == b[0] && !strcmp(a + 2, b + 2));
}

static const struct setting *setting_near(const char *name, bool *is_one)
{
	const struct setting *near = NULL;

	*is_one = false;
	for (const struct setting *s = settings; s->name; s++) {
		if (!strcmp(s->name, name))
			*is_one = true;
		else if (!near && is_near(s->name, name))
			near = s;
	}
	return near;
}

void config_warn_unknown(FILE *err, char *const *environment)
{
	for (; *environment; environment++) {
		char name[64];
		size_t n = strcspn(*environment, "=");
		const struct setting *near;
		bool is_one;

		if (n >= sizeof(name))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)n, *environment);
		near = setting_near(name, &is_one);
		if (near && !is_one)
			fprintf(err, "warning: %s: is no setting, and does nothing; %s is one\n", name,
				near->name);
	}
}

bool config_is_development(void)
{
	return !strcmp(cfg.environment, "development");
}
