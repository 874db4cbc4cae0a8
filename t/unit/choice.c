/* Choices: which ways are taken, what a refusal says, and the schema of each kind. */
#include "fcgi/choice.h"

#include <string.h>

#include "fcgi/field.h"
#include "t/unit/tap.h"

static struct arena arena;

static const struct field table[] = {
	{ "name", F_TEXT, F_REQUIRED },
	{ "url", F_URL, 0 },
	{ "secret", F_TEXT, 0 },
	{ "email", F_EMAIL, 0 },
	{ "code", F_TEXT, 0 },
	{ "note", F_TEXT, F_NULL },
	{ "tries", F_INT, 0, .def = "3" },
	FIELD_END,
};

/* With the members that given names, between blanks. */
static const char *refusal(const struct choice *c, const char *given, const char **field)
{
	struct value values[7] = { 0 };
	struct failure why = { 0 };

	for (int i = 0; i < 7; i++) {
		values[i].name = table[i].name;
		values[i].given = strstr(given, table[i].name);
		values[i].is_null = !values[i].given;
	}
	if (!choice_check(c, &arena, values, 7, &why))
		return "";
	*field = why.field;
	return why.message;
}

static const char *schema(const struct choice *c)
{
	struct buf b;

	buf_init(&b, &arena, 256);
	buf_char(&b, '{');
	choice_schema(&b, c);
	buf_char(&b, '}');
	return buf_str(&b);
}

static const struct choice one = { CHOICE_ONE, { WAY("url"), WAY("secret") } };
static const struct choice any = { CHOICE_ANY, { WAY("url"), WAY("email", "code") } };
static const struct choice most = { CHOICE_MOST, { WAY("url"), WAY("secret") } };
static const struct choice most_of_three = { CHOICE_MOST,
					     { WAY("url"), WAY("secret"), WAY("email", "code") } };

static void check_kinds(void)
{
	const char *field = "";

	is_str(refusal(&one, "name url", &field), "", "one of them");
	is_str(refusal(&one, "secret", &field), "", "or the other");
	is_str(refusal(&one, "name", &field), "exactly one of these must be given: url, or secret", "none");
	is_str(field, "url", "which the first would have been");
	is_str(refusal(&one, "url secret", &field), "exactly one of these must be given: url, or secret",
	       "both");
	is_str(field, "secret", "of which the second is too much");
	is_str(refusal(&any, "url", &field), "", "any: one way");
	is_str(refusal(&any, "email code", &field), "", "any: a way of two members");
	is_str(refusal(&any, "url email code", &field), "", "any: both");
	is_str(refusal(&any, "email", &field), "at least one of these must be given: url, or email and code",
	       "any: a part of a way is none");
	is_str(refusal(&most, "name", &field), "", "at most one: none");
	is_str(refusal(&most, "secret", &field), "", "at most one: one");
	is_str(refusal(&most, "url secret", &field), "at most one of these must be given: url, or secret",
	       "at most one: two");
}

static void check_schemas(void)
{
	is_str(schema(&one), "{\"oneOf\":[{\"required\":[\"url\"]},{\"required\":[\"secret\"]}]}", "oneOf");
	is_str(schema(&any), "{\"anyOf\":[{\"required\":[\"url\"]},{\"required\":[\"email\",\"code\"]}]}",
	       "anyOf");
	is_str(schema(&most),
	       "{\"not\":{\"required\":[\"url\",\"secret\"],\"properties\":{\"url\":{},\"secret\":{}}}}",
	       "not both");
	is_str(schema(&most_of_three),
	       "{\"not\":{\"anyOf\":[{\"required\":[\"url\",\"secret\"],\"properties\":{\"url\":{},"
	       "\"secret\":{}}},"
	       "{\"required\":[\"url\",\"email\",\"code\"],\"properties\":{\"url\":{},\"email\":{},\"code\":{"
	       "}}},"
	       "{\"required\":[\"secret\",\"email\",\"code\"],\"properties\":{\"secret\":{},\"email\":{},"
	       "\"code\":{}}}]}}",
	       "no two of three");
}

static void check_tables(void)
{
	const struct choice alone = { CHOICE_ONE, { WAY("url") } };
	const struct choice unknown = { CHOICE_ONE, { WAY("url"), WAY("uri") } };
	const struct choice needed = { CHOICE_ONE, { WAY("url"), WAY("name") } };
	const struct choice nullable = { CHOICE_ONE, { WAY("url"), WAY("note") } };
	const struct choice usual = { CHOICE_ONE, { WAY("url"), WAY("tries") } };

	ok(!choice_problem(&one, table) && !choice_problem(&any, table), "what the table has");
	is_str(choice_problem(&alone, table), "a choice has two ways, or more", "one way is no choice");
	is_str(choice_problem(&unknown, table), "there is no uri to choose", "what it has not");
	ok(choice_problem(&needed, table), "what is needed anyway");
	ok(choice_problem(&nullable, table), "what may be null");
	ok(choice_problem(&usual, table), "what has a value by itself");
}

int main(void)
{
	arena_init(&arena, 65536);
	check_kinds();
	check_schemas();
	check_tables();
	return done_testing();
}
