/*
 * config: from the environment to cfg, with every mistake named.
 */
#include "t/unit/tap.h"

#include <stdio.h>

#include "lib/crypto/seal.h"
#include "lib/host/config.h"

/* Every variable that a case may set; unset before each. */
static const char *const names[] = {
	"CLERK_ISSUER",
	"CLERK_JWKS_URL",
	"CORS_ORIGINS",
	"DATABASE_OWNER_URL",
	"DATABASE_TIMEOUT_MS",
	"DATABASE_URL",
	"DB_PREPARED",
	"DEPRECATED_AT_V1",
	"DEPRECATION_FORMAT",
	"ENCRYPTION_KEYS",
	"ENVIRONMENT",
	"HTTP_ALLOW_PRIVATE",
	"JWT_AUDIENCE",
	"JWT_ISSUER",
	"JWT_SECRET",
	"JWT_TTL_S",
	"LOG_LEVEL",
	"METRICS_ALLOW",
	"DASHBOARD_URL",
	"WEBAUTHN_RP_ID",
	"WEBHOOKS_IN_TENANT",
	"TENANT_REGISTRATION",
	"OIDC_ISSUER",
	"OIDC_JWKS_URL",
	"OIDC_PEM_FILE",
	"PUBLIC_URL",
	"RATE_LIMIT_DEFAULT",
	"SECURITY_LIMITS",
	"REQUEST_TIMEOUT_S",
	"SHM_FILE",
	"SUNSET_AT_V1",
	"SUPABASE_ISSUER",
	"SUPABASE_JWKS_URL",
	"SUPABASE_JWT_SECRET",
	"STRIPE_WEBHOOK_SECRET",
	"CLERK_WEBHOOK_SECRET",
	"SUPABASE_WEBHOOK_SECRET",
	"APPLE_ROOT_CA",
	"APPLE_BUNDLE_IDS",
	"GOOGLE_PUBSUB_AUDIENCE",
	"GOOGLE_PUBSUB_EMAIL",
	"GOOGLE_PLAY_PACKAGES",
	"GOOGLE_PLAY_KEY_FILE",
	"GOOGLE_PLAY_URL",
	"STRIPE_SECRET_KEY",
	"STRIPE_API_URL",
	"MAIL_URL",
	"MAIL_FROM",
	"MAIL_REPLY_TO",
	"MAIL_BOUNCE",
	"MAIL_DIR",
	"MAIL_TEMPLATES",
	"MAIL_CA_FILE",
	"ADMIN_EMAIL",
	"CONTACT_RATE_LIMIT",
	"CONTACT_WEBHOOK_URL",
	"CONTACT_WEBHOOK_SECRET",
	"WEBHOOK_LEASE_S",
	"WEBHOOK_RETRY_SCHEDULE",
	"WEBHOOK_TIMEOUT_MS",
};

static const char secret[] = "0123456789abcdef0123456789abcdef";
static char said[8192];

/* Load from "NAME=value NAME=value" (no blanks in values) on top of what a server needs; what it said is in
 * said. */
static int load(const char *settings)
{
	char copy[1024], *rest = copy, *pair;
	FILE *err = fmemopen(said, sizeof(said), "w");
	int mistakes;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
	setenv("DATABASE_URL", "postgresql://ashlar_api@/ashlar", 1);
	setenv("JWT_SECRET", secret, 1);
	snprintf(copy, sizeof(copy), "%s", settings);
	while ((pair = strsep(&rest, " "))) {
		char *value = strchr(pair, '=');

		if (!value)
			continue;
		*value = 0;
		setenv(pair, value + 1, 1);
	}
	mistakes = config_load(err);
	fclose(err);
	return mistakes;
}

/* These settings are fine. */
static void fine(const char *settings)
{
	int mistakes = load(settings);

	if (!is_int(mistakes, 0, "fine: %s", settings))
		diag("%s", said);
}

/* This one setting is refused, and what is said has that in it. */
static void refused(const char *settings, const char *message)
{
	is_int(load(settings), 1, "refused: %s", settings);
	has_str(said, message, "… because: %s", message);
}

static void test_defaults(void)
{
	is_int(load(""), 0, "a database and a secret are enough");
	is_str(cfg.environment, "production", "a choice");
	is_str(cfg.public_url, "https://localhost:8443", "a text");
	is_int(cfg.rate_limit_default, 60, "a number");
	ok(cfg.db_prepared, "a bool");
	is_str(cfg.cors_origins[0], NULL, "an empty list");
	is_str(cfg.metrics_allow[0], "127.0.0.1", "a list");
	is_str(cfg.metrics_allow[1], "::1", "… of two");
	is_str(cfg.metrics_allow[2], NULL, "… and no more");
	ok(!config_is_development(), "production");
	load("RATE_LIMIT_DEFAULT= LOG_LEVEL=");
	is_int(cfg.rate_limit_default, 60, "a variable that is empty is not set");
}

static void test_values(void)
{
	fine("ENVIRONMENT=development RATE_LIMIT_DEFAULT=0 LOG_LEVEL=error");
	ok(config_is_development(), "development");
	is_int(cfg.rate_limit_default, 0, "the smallest number");
	is_str(cfg.log_level, "error", "the last choice");
	fine("ENVIRONMENT=development SECURITY_LIMITS=off");
	refused("SECURITY_LIMITS=off", "SECURITY_LIMITS: must be on where ENVIRONMENT is production");
	fine("JWT_TTL_S=60");
	fine("JWT_TTL_S=31536000");
	refused("JWT_TTL_S=59", "JWT_TTL_S: must be a whole number from 60 to 31536000, is \"59\"");
	is_int(cfg.jwt_ttl_s, 3600, "… and has its default");
	refused("JWT_TTL_S=31536001", "JWT_TTL_S: ");
	refused("JWT_TTL_S=60s", "is \"60s\"");
	refused("JWT_TTL_S=99999999999999999999", "JWT_TTL_S: ");
	refused("LOG_LEVEL=loud", "LOG_LEVEL: must be one of debug|info|warning|error, is \"loud\"");
	refused("LOG_LEVEL=err", "LOG_LEVEL: ");
	refused("LOG_LEVEL=info|warning", "LOG_LEVEL: ");
	for (const char *const *p = (const char *const[]){ "true", "on", "yes", "1", NULL }; *p; p++) {
		char text[32];

		snprintf(text, sizeof(text), "DB_PREPARED=%s", *p);
		fine(text);
		ok(cfg.db_prepared, "%s is true", *p);
	}
	fine("DB_PREPARED=off");
	ok(!cfg.db_prepared, "off is false");
	refused("DB_PREPARED=maybe", "DB_PREPARED: must be true or false, is \"maybe\"");
	refused("JWT_AUDIENCE=a\tb", "JWT_AUDIENCE: must have no control characters");
	is_int(load("JWT_TTL_S=x LOG_LEVEL=y DB_PREPARED=z"), 3, "all mistakes are named at once");
}

static void test_lists(void)
{
	fine("CORS_ORIGINS=,https://a.example,,https://b.example:8443,");
	is_str(cfg.cors_origins[0], "https://a.example", "empty elements are left out");
	is_str(cfg.cors_origins[1], "https://b.example:8443", "a port is part of an origin");
	is_str(cfg.cors_origins[2], NULL, "the end");
	setenv("CORS_ORIGINS", " https://a.example ,\thttps://b.example ", 1);
	is_int(config_load(stderr), 0, "blanks around elements");
	is_str(cfg.cors_origins[0], "https://a.example", "… are not part of them");
	is_str(cfg.cors_origins[1], "https://b.example", "… at the end either");
	fine("CORS_ORIGINS=*");
	refused("CORS_ORIGINS=https://a.example/", "CORS_ORIGINS: must be origins such as");
	refused("CORS_ORIGINS=a.example", "has \"a.example\"");
	refused("CORS_ORIGINS=https://", "CORS_ORIGINS: ");
	fine("METRICS_ALLOW=10.0.0.1,2001:db8::1");
	fine("METRICS_ALLOW=*");
	refused("METRICS_ALLOW=monitoring",
		"METRICS_ALLOW: must be IPv4 or IPv6 addresses, networks such as");
	fine("METRICS_ALLOW=10.0.0.0/8,192.0.2.1/32,0.0.0.0/0,fd00::/8,::/128");
	refused("METRICS_ALLOW=10.0.0.0/33", "has \"10.0.0.0/33\"");
	refused("METRICS_ALLOW=fd00::/129", "METRICS_ALLOW: ");
	refused("METRICS_ALLOW=10.0.0.0/", "METRICS_ALLOW: ");
	refused("METRICS_ALLOW=10.0.0.0/-1", "METRICS_ALLOW: ");
	refused("METRICS_ALLOW=/8", "METRICS_ALLOW: ");
	refused("METRICS_ALLOW=10.0.0/8", "METRICS_ALLOW: ");
	fine("DASHBOARD_URL=https://dash.example.com/x");
	refused("DASHBOARD_URL=https://dash.example.com/",
		"DASHBOARD_URL: must be an https:// URL without a trailing");
	refused("DASHBOARD_URL=dash.example.com", "DASHBOARD_URL: ");
	fine("WEBAUTHN_RP_ID=example.com");
	fine("WEBAUTHN_RP_ID=localhost");
	fine("WEBAUTHN_RP_ID=xn--bcher-kva.example");
	refused("WEBAUTHN_RP_ID=https://example.com", "WEBAUTHN_RP_ID: must be a domain such as example.com");
	refused("WEBAUTHN_RP_ID=example.com:8443", "WEBAUTHN_RP_ID: ");
	refused("WEBAUTHN_RP_ID=Example.com", "WEBAUTHN_RP_ID: ");
	refused("WEBAUTHN_RP_ID=example", "WEBAUTHN_RP_ID: ");
	refused("WEBAUTHN_RP_ID=example..com", "WEBAUTHN_RP_ID: ");
	refused("WEBAUTHN_RP_ID=example.com.", "WEBAUTHN_RP_ID: ");
	refused("WEBAUTHN_RP_ID=-a.example.com", "WEBAUTHN_RP_ID: ");
	refused("WEBAUTHN_RP_ID=127.0.0.1", "WEBAUTHN_RP_ID: ");
	fine("WEBHOOKS_IN_TENANT=00000000-0000-7000-8000-000000000001");
	refused("WEBHOOKS_IN_TENANT=acme", "WEBHOOKS_IN_TENANT: must be a tenant's id");
	fine("TENANT_REGISTRATION=closed");
	refused("TENANT_REGISTRATION=shut", "TENANT_REGISTRATION: must be one of open|closed");
	fine("HTTP_ALLOW_PRIVATE=10.1.2.3:8080,[fd00::1]:443");
	refused("HTTP_ALLOW_PRIVATE=10.1.2.3", "HTTP_ALLOW_PRIVATE: must be pairs");
	refused("HTTP_ALLOW_PRIVATE=10.1.2.3:0", "HTTP_ALLOW_PRIVATE: ");
	refused("HTTP_ALLOW_PRIVATE=10.1.2.3:65536", "HTTP_ALLOW_PRIVATE: ");
	refused("HTTP_ALLOW_PRIVATE=fd00::1:443", "HTTP_ALLOW_PRIVATE: ");
	refused("HTTP_ALLOW_PRIVATE=[10.1.2.3]:443", "HTTP_ALLOW_PRIVATE: ");
}

static void test_signing_in(void)
{
	refused("JWT_SECRET=0123456789abcdef0123456789abcde",
		"JWT_SECRET: must be at least 32 bytes, has 31");
	ok(!strstr(said, "0123456789"), "a secret is never repeated");
	refused("JWT_SECRET=", "JWT_SECRET: must be set, or another issuer's settings: nobody could sign in");
	fine("JWT_SECRET= CLERK_ISSUER=https://a.clerk.example");
	is_str(cfg.clerk_jwks_url, "https://a.clerk.example/.well-known/jwks.json", "where keys usually are");
	fine("SUPABASE_ISSUER=https://a.supabase.example/auth/v1/");
	is_str(cfg.supabase_jwks_url, "https://a.supabase.example/auth/v1/.well-known/jwks.json",
	       "… with one slash");
	fine("SUPABASE_ISSUER=https://a.example SUPABASE_JWT_SECRET=0123456789abcdef0123456789abcdef");
	is_str(cfg.supabase_jwks_url, "", "no key set beside a shared secret");
	refused("SUPABASE_ISSUER=https://a.example SUPABASE_JWT_SECRET=short",
		"SUPABASE_JWT_SECRET: must be at least 32");
	refused("SUPABASE_JWT_SECRET=0123456789abcdef0123456789abcdef", "SUPABASE_ISSUER: must be set");
	fine("WEBHOOK_RETRY_SCHEDULE=0,0.5,2592000");
	refused("WEBHOOK_RETRY_SCHEDULE=0,soon",
		"WEBHOOK_RETRY_SCHEDULE: must be seconds from 0 to 2592000, has \"soon\"");
	refused("WEBHOOK_RETRY_SCHEDULE=-1", "has \"-1\"");
	refused("WEBHOOK_RETRY_SCHEDULE=nan", "has \"nan\"");
	fine("WEBHOOK_LEASE_S=16");
	refused("WEBHOOK_LEASE_S=15",
		"WEBHOOK_LEASE_S: must be longer than WEBHOOK_TIMEOUT_MS, 15000 ms, is 15 s");
	refused("WEBHOOK_TIMEOUT_MS=60000", "WEBHOOK_LEASE_S: must be longer");
	fine("ENCRYPTION_KEYS=a:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
	ok(!seal_check(""), "a module that checks a setting is there"); /* linked with it */
	refused("ENCRYPTION_KEYS=a:c2VjcmV0", "ENCRYPTION_KEYS: must have keys of 32 bytes in base64");
	ok(!strstr(said, "c2VjcmV0"), "a key is never repeated");
	refused("CLERK_JWKS_URL=https://a.example/keys", "CLERK_ISSUER: must be set");
	refused("OIDC_JWKS_URL=https://a.example/keys", "OIDC_ISSUER: must be set");
	refused("OIDC_ISSUER=ashlar OIDC_JWKS_URL=https://a.example/k",
		"OIDC_ISSUER: is the same as JWT_ISSUER");
	refused("OIDC_ISSUER=https://a.example OIDC_PEM_FILE=/nowhere/key.pem",
		"OIDC_PEM_FILE: cannot be read: /nowhere");
	fine("OIDC_ISSUER=https://a.example OIDC_PEM_FILE=/dev/null");
	is_str(cfg.oidc_jwks_url, "", "no key set beside a PEM file");
	refused("OIDC_ISSUER=https://a.example OIDC_PEM_FILE=/dev/null OIDC_JWKS_URL=https://a.example/k",
		"exclude each other");
	refused("OIDC_ISSUER=https://a.example OIDC_JWKS_URL=http://a.example/k",
		"must be https:// outside development");
	fine("ENVIRONMENT=development OIDC_ISSUER=https://a.example OIDC_JWKS_URL=http://127.0.0.1:1/k");
}

static void test_together(void)
{
	refused("DATABASE_URL=", "DATABASE_URL: must be set, e.g. ");
	refused("DATABASE_URL=postgresql://a:topsecret@[::1",
		"DATABASE_URL: is neither a postgresql:// URI nor");
	ok(!strstr(said, "topsecret"), "a password is never repeated");
	refused("DATABASE_OWNER_URL=mysql://x", "DATABASE_OWNER_URL: is neither");
	refused("PUBLIC_URL=https://a.example/",
		"PUBLIC_URL: must be an https:// URL without a trailing slash");
	refused("PUBLIC_URL=a.example", "PUBLIC_URL: ");
	refused("SHM_FILE=shared", "SHM_FILE: must be an absolute path");
	fine("DATABASE_TIMEOUT_MS=5000 REQUEST_TIMEOUT_S=5");
	refused("DATABASE_TIMEOUT_MS=5001 REQUEST_TIMEOUT_S=5", "DATABASE_TIMEOUT_MS: must not be more than");
	fine("DEPRECATED_AT_V1=2028-02-29 SUNSET_AT_V1=2028-02-29");
	refused("DEPRECATED_AT_V1=2027-02-29", "DEPRECATED_AT_V1: must be a date as YYYY-MM-DD");
	refused("DEPRECATED_AT_V1=2027-2-9", "DEPRECATED_AT_V1: ");
	refused("SUNSET_AT_V1=2027-01-01", "SUNSET_AT_V1: needs DEPRECATED_AT_V1");
	refused("DEPRECATED_AT_V1=2027-01-02 SUNSET_AT_V1=2027-01-01", "SUNSET_AT_V1: must not be before");
}

static void test_offline(void)
{
	FILE *err = fmemopen(said, sizeof(said), "w");

	load("");
	unsetenv("DATABASE_URL");
	unsetenv("JWT_SECRET");
	is_int(config_load_offline(err), 0, "an offline command needs neither database nor secret to start");
	setenv("LOG_LEVEL", "loud", 1);
	is_int(config_load_offline(err), 1, "but what is set must be right");
	fclose(err);
}

static void test_print(void)
{
	static char text[65536];
	FILE *out = fmemopen(text, sizeof(text), "w");

	load("DATABASE_URL=postgresql://a:topsecret@/b CORS_ORIGINS=https://a.example,https://b.example "
	     "JWT_TTL_S=61");
	config_print(out);
	fclose(out);
	has_str(text, "\nJWT_TTL_S=61\n", "a number");
	has_str(text, "# 60 to 31536000; default: 3600\n", "its bounds and default");
	has_str(text, "\nCORS_ORIGINS=https://a.example,https://b.example\n", "a list");
	has_str(text, "\nDB_PREPARED=true\n", "a bool");
	has_str(text, "# debug|info|warning|error; default: info\nLOG_LEVEL=info\n", "a choice");
	has_str(text, "\nDATABASE_URL=********\n", "a secret is masked");
	has_str(text, "\nSUPABASE_JWT_SECRET=\n", "one that is not set is seen to be so");
	ok(!strstr(text, "topsecret") && !strstr(text, secret), "no secret is printed");
}

static void test_webhooks(void)
{
	fine("STRIPE_WEBHOOK_SECRET=whsec_a,whsec_b");
	refused("STRIPE_WEBHOOK_SECRET=whsec_a,sk_live_b",
		"STRIPE_WEBHOOK_SECRET: must be secrets that begin with whsec_");
	ok(!strstr(said, "sk_live"), "… without showing it");
	refused("STRIPE_WEBHOOK_SECRET=whsec_", "must be secrets that begin with whsec_");
	fine("CLERK_WEBHOOK_SECRET=whsec_a CLERK_ISSUER=https://a.clerk.example");
	refused("CLERK_WEBHOOK_SECRET=whsec_a", "CLERK_WEBHOOK_SECRET: needs CLERK_ISSUER");
	fine("SUPABASE_WEBHOOK_SECRET=0123456789abcdef SUPABASE_ISSUER=https://a.example");
	refused("SUPABASE_WEBHOOK_SECRET=0123456789abcde SUPABASE_ISSUER=https://a.example",
		"SUPABASE_WEBHOOK_SECRET: must be secrets of at least 16 characters");
	refused("SUPABASE_WEBHOOK_SECRET=0123456789abcdef", "SUPABASE_WEBHOOK_SECRET: needs SUPABASE_ISSUER");
	fine("APPLE_ROOT_CA=/dev/null APPLE_BUNDLE_IDS=com.example.app,com.example.other");
	refused("APPLE_ROOT_CA=/nowhere APPLE_BUNDLE_IDS=a.b", "APPLE_ROOT_CA: cannot be read: /nowhere");
	refused("APPLE_ROOT_CA=/dev/null", "APPLE_ROOT_CA: needs APPLE_BUNDLE_IDS");
	fine("GOOGLE_PUBSUB_AUDIENCE=x GOOGLE_PUBSUB_EMAIL=a@b.de GOOGLE_PLAY_PACKAGES=a.b "
	     "GOOGLE_PLAY_KEY_FILE=/dev/null");
	refused("GOOGLE_PUBSUB_AUDIENCE=x GOOGLE_PUBSUB_EMAIL=a@b.de GOOGLE_PLAY_PACKAGES=a.b",
		"GOOGLE_PUBSUB_AUDIENCE: needs");
	refused("GOOGLE_PLAY_KEY_FILE=/nowhere", "GOOGLE_PLAY_KEY_FILE: cannot be read");
	refused("GOOGLE_PLAY_URL=http://x.example", "GOOGLE_PLAY_URL: must be https:// outside development");
	refused("GOOGLE_PLAY_URL=https://x.example/", "GOOGLE_PLAY_URL: must not end with a slash");
	fine("STRIPE_SECRET_KEY=sk_test_51Abc");
	fine("STRIPE_SECRET_KEY=rk_live_51Abc");
	refused("STRIPE_SECRET_KEY=pk_live_51Abc", "STRIPE_SECRET_KEY: must be a secret or restricted key");
	refused("STRIPE_SECRET_KEY=sk_test_", "STRIPE_SECRET_KEY: must be a secret or restricted key");
	refused("STRIPE_API_URL=http://x.example", "STRIPE_API_URL: must be https:// outside development");
	refused("STRIPE_API_URL=https://x.example/", "STRIPE_API_URL: must not end with a slash");
}

static void test_mail(void)
{
	fine("MAIL_URL=smtp://u:p@mail.example.com:587 MAIL_FROM=no-reply@example.com");
	fine("MAIL_DIR=/var/lib/ashlar/mail");
	fine("ADMIN_EMAIL=a@b.de");
	fine("CONTACT_WEBHOOK_URL=http://10.0.0.1/crm CONTACT_WEBHOOK_SECRET=0123456789abcdef");
	refused("MAIL_URL=smtp://mail.example.com", "MAIL_FROM: must be set when MAIL_URL is");
	refused("MAIL_URL=http://x MAIL_FROM=a@b.de", "MAIL_URL: must begin with smtp:// or smtps://");
	refused("MAIL_URL=smtp://u:s3cret@h:0 MAIL_FROM=a@b.de", "MAIL_URL: has no port");
	ok(!strstr(said, "s3cret"), "… without showing the password");
	refused("MAIL_FROM=Ashlar", "MAIL_FROM: must be an address, or Name <address>, is \"Ashlar\"");
	refused("MAIL_REPLY_TO=x", "MAIL_REPLY_TO: must be an address");
	refused("MAIL_BOUNCE=<a@b.de>", "MAIL_BOUNCE: must be an address");
	refused("ADMIN_EMAIL=x", "ADMIN_EMAIL: must be an address");
	refused("MAIL_DIR=mail", "MAIL_DIR: must be an absolute path");
	refused("MAIL_TEMPLATES=/nowhere", "MAIL_TEMPLATES: cannot be read: /nowhere");
	refused("MAIL_CA_FILE=/nowhere", "MAIL_CA_FILE: cannot be read: /nowhere");
	refused("CONTACT_WEBHOOK_URL=ftp://x CONTACT_WEBHOOK_SECRET=0123456789abcdef",
		"CONTACT_WEBHOOK_URL: must be");
	refused("CONTACT_WEBHOOK_URL=https://x.example CONTACT_WEBHOOK_SECRET=short",
		"CONTACT_WEBHOOK_SECRET: must be at least 16 bytes");
}

int main(void)
{
	test_mail();
	test_webhooks();
	test_defaults();
	test_values();
	test_lists();
	test_signing_in();
	test_together();
	test_offline();
	test_print();
	return done_testing();
}
