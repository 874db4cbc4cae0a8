#include "worker/mail_render.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/json.h"
#include "lib/host/config.h"
#include "worker/template.h"

enum { MAX_FILE = 256 * 1024, MAX_LOCALE = 35, MAX_VARS = 32, HOUR = 3600, DAY = 86400 };

/* clang-format off */
const struct mail_kind mail_kinds[] = {
	{ "verify_email",         "link code? token? changed?", DAY },
	{ "already_registered",   "", 0 },
	{ "reset_password",       "link code? token?", HOUR },
	{ "invitation",           "link token? organization role? invited_by? message?", 7 * DAY },
	{ "activation",           "link token? organization", 7 * DAY },
	{ "signup_invite",        "link code? token? plan", 30 * DAY },
	{ "team_invitation",      "link token? tenant inviter? role", 7 * DAY },
	{ "team_reset",           "link token?", HOUR },
	{ "contact_confirmation", "reference_id", 0 },
	{ "contact_notification", "reference_id name email message submitted_at phone? company? subject? source? extra_fields?", 0 },
	{ "notification",         "title message workspace unsubscribe_url? stop_url?", 0 },
	{ "notification_digest",  "workspace count attention? assigned_actions? owned_actions? channels? goals? records? jobs? documents? "
				  "meetings? integrations? team? billing? more? unsubscribe_url? stop_url?", 0 },
	{ "ownership_offered",    "workspace other", 0 },
	{ "ownership_accepted",   "workspace other", 0 },
	{ "domain_lapsed",        "workspace domain", 0 },
	{ "webhook_disabled",     "url name reason workspace", 0 },
	{ "payment_past_due",     "plan amount? whose ends_on?", 0 },
	{ "payment_last_notice",  "plan amount? whose ends_on?", 0 },
	{ "trial_ending",         "plan amount? whose ends_on", 0 },
	{ "topup_failed",         "package price reason paused?", 0 },
	{ "team_ways_in",         "tenant keys? members? issuers?", 0 },
	{ "team_second_factor_removed", "tenant member", 0 },
	{ "email_changed",        "link? token?", 7 * DAY },
	{ "email_taken_back",     "passkeys? identities? second_factors? password? sessions?", 0 },
	{ "ways_in_ended",        "passkeys? second_factors? recovery_codes? password? sessions?", 0 },
	{ "impersonated",         "tenant member reason", 0 },
	{ "way_in_removed",       "tenant password? passkey? second_factor?", 0 },
	{ NULL, NULL, 0 },
};
/* clang-format on */

const struct mail_kind *mail_render_kind(const char *name)
{
	for (const struct mail_kind *k = mail_kinds; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

/* Files */

static const char *file_read(struct arena *a, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n;

	if (!f)
		return NULL;
	text = arena_alloc(a, MAX_FILE + 1);
	n = fread(text, 1, MAX_FILE + 1, f);
	if (ferror(f) || n > MAX_FILE)
		text = NULL;
	fclose(f);
	return text;
}

/* A file by its name, the operator's before ours; NULL: there is none. */
static const char *file_find(struct arena *a, const char *name)
{
	const char *text =
		*cfg.mail_templates ? file_read(a, arena_fmt(a, "%s/%s", cfg.mail_templates, name)) : NULL;

	for (const struct mail_file *f = mail_templates; !text && f->name; f++)
		if (!strcmp(f->name, name))
			text = f->text;
	return text;
}

/* The same for a language's: in it, in the language without its region, in English. */
static const char *file_of(struct arena *a, const char *locale, const char *name, const char **language)
{
	size_t n = strspn(locale, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
	const char *tries[] = { "", "", "en" }, *text = NULL;

	/* It becomes part of a path. */
	if (!locale[n] && n <= MAX_LOCALE) {
		tries[0] = locale;
		tries[1] = arena_dup_n(a, locale, strcspn(locale, "-"));
	}
	for (int i = 0; i < 3 && !text; i++) {
		*language = tries[i];
		if (*tries[i])
			text = file_find(a, arena_fmt(a, "%s/%s.txt", tries[i], name));
	}
	return text;
}

const char *mail_render_words(struct arena *a, const char *language, const char *name)
{
	return file_find(a, arena_fmt(a, "%s/%s.txt", language, name));
}

/* Variables */

/* A member as a variable's text; NULL: it has no value. */
static const char *text_of(struct arena *a, struct json_object *value)
{
	struct buf b;

	switch (json_object_get_type(value)) {
	case json_type_null: return NULL;
	case json_type_string: return json_object_get_string(value);
	case json_type_object:
		buf_init(&b, a, 256);
		json_object_object_foreach(value, name, member)
		{
			const char *text = json_object_is_type(member, json_type_string)
						   ? json_object_get_string(member)
						   : json_object_to_json_string_ext(
							     member, JSON_C_TO_STRING_PLAIN |
									     JSON_C_TO_STRING_NOSLASHESCAPE);

			buf_fmt(&b, "%s%s: %s", b.n ? "\n" : "", name, text);
		}
		return buf_str(&b);
	default:
		return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
								     JSON_C_TO_STRING_NOSLASHESCAPE);
	}
}

/* The next of a kind's variables; false: there are no more. */
static bool next_var(struct arena *a, const char **vars, const char **name, bool *is_optional)
{
	size_t n;

	*vars += strspn(*vars, " ");
	n = strcspn(*vars, " ?");
	if (!n)
		return false;
	*name = arena_dup_n(a, *vars, n);
	*is_optional = (*vars)[n] == '?';
	*vars += n + *is_optional;
	return true;
}

/* Black or white, whichever can be read on #rrggbb. */
static const char *readable_on(const char *color)
{
	long rgb = strtol(color + 1, NULL, 16);

	return 299 * (rgb >> 16) + 587 * (rgb >> 8 & 255) + 114 * (rgb & 255) > 150000 ? "#1c1c22"
										       : "#ffffff";
}

static bool is_color(const char *text)
{
	return text && strlen(text) == 7 && *text == '#' && strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

static bool is_web_url(const char *text)
{
	return text && (!strncmp(text, "https://", 8) || !strncmp(text, "http://", 7));
}

static int common_vars(struct template_var *vars, const struct mail_brand *brand, const char *to,
		       const char *language)
{
	const char *color = is_color(brand->color) ? brand->color : "#2f54c8";
	int n = 0;

	vars[n++] = (struct template_var){ "brand", brand->name, .is_foreign = true };
	vars[n++] = (struct template_var){ "logo_url", is_web_url(brand->logo_url) ? brand->logo_url : NULL };
	vars[n++] = (struct template_var){ "color", color };
	vars[n++] = (struct template_var){ "on_color", readable_on(color) };
	vars[n++] = (struct template_var){ "support_email", brand->support_email };
	vars[n++] = (struct template_var){ "to", to };
	vars[n++] = (struct template_var){ "locale", language };
	return n;
}

const char *mail_render_language(struct arena *a, const struct mail_kind *kind, const char *locale)
{
	const char *language = "en";

	file_of(a, locale, kind->name, &language);
	return language;
}

const char *mail_render(struct arena *a, const struct mail_kind *kind, const char *locale,
			const struct mail_brand *brand, const char *to, struct json_object *data,
			struct json_object *secrets, struct mail_content *out)
{
	const char *source = file_of(a, locale, kind->name, &out->language), *name, *footer, *layout,
		   *problem, *names = kind->vars, *ignored;
	struct template_var vars[MAX_VARS] = { { NULL } };
	struct template_parts mail, below;
	int common, n;
	bool is_optional;

	/* The language of all of it is the one that the mail was found in. */
	footer = file_of(a, out->language, "footer", &ignored);
	layout = file_find(a, "layout.html");
	if (!source || !footer || !layout)
		return arena_fmt(a, "there is no template \"%s\"", kind->name);
	n = common = common_vars(vars, brand, to, out->language);
	while (next_var(a, &names, &name, &is_optional)) {
		struct json_object *value = NULL;
		bool is_ours = secrets && json_object_object_get_ex(secrets, name, &value);

		if (!is_ours)
			json_object_object_get_ex(data, name, &value);
		vars[n] = (struct template_var){ name, value ? text_of(a, value) : NULL,
						 .is_foreign = !is_ours };
		if (!is_optional && (!vars[n].value || !*vars[n].value))
			return arena_fmt(a, "the mail lacks \"%s\"", name);
		n++;
	}
	problem = template_render(a, source, vars, true, &mail);
	if (problem)
		return arena_fmt(a, "template %s/%s.txt: %s", out->language, kind->name, problem);
	vars[common] = (struct template_var){ NULL };
	problem = template_render(a, footer, vars, false, &below);
	if (problem)
		return arena_fmt(a, "template %s/footer.txt: %s", out->language, problem);
	vars[common] = (struct template_var){ "subject", mail.subject };
	vars[common + 1] = (struct template_var){ "content", mail.html, .is_html = true };
	vars[common + 2] = (struct template_var){ "footer", below.html, .is_html = true };
	vars[common + 3] = (struct template_var){ NULL };
	problem = template_html(a, layout, vars, &out->html);
	if (problem)
		return arena_fmt(a, "template layout.html: %s", problem);
	out->subject = mail.subject;
	out->unsubscribe = mail.unsubscribe;
	out->text = arena_fmt(a, "%s\n-- \n%s", mail.text, below.text);
	return NULL;
}

/* Looking at all of them */

static void put_json(void *json)
{
	json_object_put(json);
}

/* A value for each variable, or for those that must have one: links in secrets, as it is when a mail is
 * sent. */
static void sample(struct arena *a, const struct mail_kind *kind, bool all, struct json_object **data,
		   struct json_object **secrets)
{
	const char *vars = kind->vars, *name;
	bool is_optional;

	*data = json_object_new_object();
	*secrets = json_object_new_object();
	arena_defer(a, put_json, *data);
	arena_defer(a, put_json, *secrets);
	while (next_var(a, &vars, &name, &is_optional)) {
		size_t n = strlen(name);

		if (!strcmp(name, "link") || (n > 4 && !strcmp(name + n - 4, "_url")))
			json_object_object_add(*secrets, name,
					       json_object_new_string("https://example.com/"));
		else if (all || !is_optional)
			json_object_object_add(*data, name, json_object_new_string(name));
	}
}

static int check_language(const char *language, FILE *err)
{
	static const struct mail_brand bare = { .name = "Acme" },
				       full = { "Acme", "https://example.com/logo.png", "#ffcc00",
						"help@example.com" };
	int mistakes = 0;

	for (const struct mail_kind *k = mail_kinds; k->name; k++) {
		const char *problem = NULL;
		struct arena a;

		arena_init(&a, 64 * 1024);
		for (int all = 1; all >= 0 && !problem; all--) {
			struct json_object *data, *secrets;
			struct mail_content out;

			sample(&a, k, all, &data, &secrets);
			problem = mail_render(&a, k, language, all ? &full : &bare, "ann@example.com", data,
					      secrets, &out);
		}
		if (problem)
			fprintf(err, "%s\n", problem);
		mistakes += problem != NULL;
		arena_release(&a);
	}
	return mistakes;
}

/* Is it one of those that are compiled in? */
static bool is_ours(const char *language)
{
	size_t n = strlen(language);

	for (const struct mail_file *f = mail_templates; f->name; f++)
		if (!strncmp(f->name, language, n) && !strcmp(f->name + n, "/footer.txt"))
			return true;
	return false;
}

int mail_render_check(FILE *err)
{
	DIR *dir = *cfg.mail_templates ? opendir(cfg.mail_templates) : NULL;
	int mistakes = 0;

	if (*cfg.mail_templates && !dir) {
		fprintf(err, "%s: %s\n", cfg.mail_templates, strerror(errno));
		mistakes++;
	}
	for (const struct mail_file *f = mail_templates; f->name; f++) {
		size_t n = strcspn(f->name, "/");
		char language[MAX_LOCALE + 1];

		snprintf(language, sizeof(language), "%.*s", (int)n, f->name);
		if (!strcmp(f->name + n, "/footer.txt"))
			mistakes += check_language(language, err);
	}
	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
		if (!strchr(e->d_name, '.') && strlen(e->d_name) <= MAX_LOCALE && !is_ours(e->d_name))
			mistakes += check_language(e->d_name, err);
	if (dir)
		closedir(dir);
	return mistakes;
}
