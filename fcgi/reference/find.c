#include "fcgi/reference/find.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "fcgi/caller.h"
#include "fcgi/field.h"
#include "fcgi/reference/synonym.h"
#include "fcgi/surface.h"

enum { CONCEPTS = 8, ALTERNATIVES = 64, WORDS = 24, LETTERS = 32, APART = 3 };

/* Of the text of a section, and how long one is. */
enum { TEXT_MOST = 3, TEXT_USUAL = 1500 };

/* What a word is worth by where it stands. */
static const float in_path = 5, in_title = 6, in_about = 1.5F, in_field = 0.7F, in_method = 2, in_heading = 3,
		   in_page = 1, in_text = 1;
/* A word of the same meaning, and one that only begins so. */
static const float synonymous = 0.95F, begun = 0.5F;
/* How much a section of the guide is beside an operation, which is what is looked for. */
static const double of_guide = 0.5;
/* What most who ask build is for a product's users; and what lies deeper is more special. */
static const double of_users = 1.35, of_reading = 1.1, of_depth = 0.13;

struct word {
	char text[LETTERS];
	size_t n; /* of its stem; 0: there is none */
};

/* One way to say what is asked for: a word, or two. */
struct alternative {
	struct word before, word;
	float worth;
	int concept;
};

/* What is asked for: concepts, which may be said in several ways. */
struct asked {
	struct alternative all[ALTERNATIVES];
	int nall;
	uint64_t beginning[256]; /* by its first letter, which alternatives it may be */
	const struct synonym *synonym[CONCEPTS];
	unsigned methods; /* of its verbs */
	int n;
};

/* Of each concept, what an entry has of it. */
struct found {
	float weight[CONCEPTS];
	float title;    /* how much of its title, and name, was asked for, 0 to 1 */
	int path_parts; /* of an operation: how deep it lies */
};

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

static bool is_letter(char c)
{
	int l = lower(c);

	return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l >= 0x80;
}

static bool ends(const char *p, size_t n, const char *ending)
{
	size_t len = strlen(ending);

	return n > len + 2 && !memcmp(p + n - len, ending, len);
}

/* Without endings, so that each finds the other: companies, company; sent by sending, created by create. */
static size_t stem(const char *p, size_t n)
{
	if (n > 4 && ends(p, n, "ies"))
		return n - 3;
	if (n > 3 && (p[n - 1] == 'y' || (p[n - 1] == 's' && p[n - 2] != 's')))
		n--;
	if (ends(p, n, "ing"))
		n -= 3;
	else if (ends(p, n, "ed"))
		n -= 2;
	return n > 4 && p[n - 1] == 'e' ? n - 1 : n;
}

/* The next word of a text, in lower case and cut to LETTERS; its length, 0: there is none. */
static size_t next(const char **p, const char *end, char word[LETTERS])
{
	size_t n = 0;

	while (*p < end && !is_letter(**p))
		(*p)++;
	for (; *p < end && is_letter(**p); (*p)++)
		if (n < LETTERS)
			word[n++] = (char)lower(**p);
	return n;
}

static bool is_same(const struct word *a, const struct word *b)
{
	return a->n == b->n && !memcmp(a->text, b->text, a->n);
}

/* The words of one way to say something, "sign in": the last one and the one before it, if there is one. */
static void read_words(const char *p, const char *end, struct word *before, struct word *word)
{
	size_t n;

	before->n = word->n = 0;
	while (*word = (struct word){ .n = 0 }, (n = next(&p, end, word->text))) {
		word->n = stem(word->text, n);
		if (p == end)
			return;
		*before = *word;
	}
}

static void add_alternative(struct asked *a, const struct word *before, const struct word *word, float worth)
{
	if (a->nall == ALTERNATIVES || !word->n)
		return;
	a->beginning[(unsigned char)word->text[0]] |= 1ULL << a->nall;
	a->all[a->nall++] = (struct alternative){ *before, *word, worth, a->n };
}

/* What a word, or two, begin among the synonyms; NULL: nothing. */
static const struct synonym *synonym_of(const struct word *before, const struct word *word)
{
	struct word first, last;

	for (const struct synonym *s = synonyms; s->words; s++)
		for (const char *p = s->words, *end; *p; p = *end ? end + 1 : end) {
			end = strchrnul(p, ',');
			read_words(p, end, &first, &last);
			if (is_same(&last, word) && (before ? is_same(&first, before) : !first.n))
				return s;
		}
	return NULL;
}

/* A concept more: words as they were asked for, and what means the same. */
static void add_concept(struct asked *a, const struct synonym *synonym, const struct word *before,
			const struct word *word)
{
	static const struct word none;
	struct word first, last;

	for (int i = 0; i < a->n; i++)
		if (synonym && a->synonym[i] == synonym)
			return;
	if (a->n == CONCEPTS)
		return;
	a->synonym[a->n] = synonym;
	a->methods |= synonym ? synonym->methods : 0;
	add_alternative(a, before ? before : &none, word, 1);
	for (const char *p = synonym ? synonym->words : "", *end; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, ',');
		read_words(p, end, &first, &last);
		if (!is_same(&last, word) || !is_same(&first, before ? before : &none))
			add_alternative(a, &first, &last, synonymous);
	}
	a->n++;
}

/* Two words may stand a little apart: log a user in. */
static void ask(struct asked *a, const char *query)
{
	static const char particles[] = " in up out on off by at as ";
	const char *end = query + strnlen(query, 1000);
	struct word words[WORDS] = { { .n = 0 } };
	bool is_taken[WORDS] = { false };
	const struct synonym *s;
	int n = 0;
	size_t len;

	memset(a, 0, sizeof(*a));
	while (n < WORDS && (len = next(&query, end, words[n].text))) {
		if (synonym_is_filler(words[n].text, len))
			continue;
		words[n].n = stem(words[n].text, len);
		n++;
	}
	for (int i = 0; i < n; i++) {
		for (int j = i + 1; j < n && j <= i + APART && !is_taken[i]; j++)
			if (!is_taken[j] && (s = synonym_of(&words[i], &words[j]))) {
				add_concept(a, s, &words[i], &words[j]);
				is_taken[i] = is_taken[j] = true;
			}
	}
	for (int i = 0; i < n; i++) {
		char particle[8] = " ";

		if (is_taken[i])
			continue;
		if (words[i].n <= 3) {
			memcpy(particle + 1, words[i].text, words[i].n);
			memcpy(particle + 1 + words[i].n, " ", 2);
			if (strstr(particles, particle))
				continue;
		}
		add_concept(a, synonym_of(NULL, &words[i]), NULL, &words[i]);
	}
}

/* How well a word of a text is one that is asked for: 1, or less where it only begins so. */
static float likeness(const struct word *wanted, const char *word, size_t n, size_t stem_n)
{
	if (n < wanted->n || memcmp(word, wanted->text, wanted->n) != 0)
		return 0;
	return stem_n == wanted->n ? 1 : wanted->n >= 3 ? begun : 0;
}

/* What a text has of each concept: of most as much as stands there most alike, or of all together up to most.
 */
static void look(const struct asked *a, const char *p, size_t len, float most, float has[CONCEPTS])
{
	const char *end = p + len;
	char words[2][LETTERS];
	size_t n, before = 0, at = 0;

	for (; (n = next(&p, end, words[at])); before = n, at = 1 - at) {
		uint64_t may = a->beginning[(unsigned char)words[at][0]];
		size_t stem_n = may ? stem(words[at], n) : 0;

		for (; may; may &= may - 1) {
			const struct alternative *one = &a->all[__builtin_ctzll(may)];
			float like = one->worth * likeness(&one->word, words[at], n, stem_n);

			if (like <= 0 || (one->before.n &&
					  likeness(&one->before, words[1 - at], before, one->before.n) <= 0))
				continue;
			if (most > 1)
				has[one->concept] =
					has[one->concept] + like < most ? has[one->concept] + like : most;
			else if (like > has[one->concept])
				has[one->concept] = like;
		}
	}
}

static void look_at(const struct asked *a, struct found *f, const char *text, float worth)
{
	float has[CONCEPTS] = { 0 };

	if (text)
		look(a, text, strlen(text), 1, has);
	for (int i = 0; i < a->n; i++)
		f->weight[i] += worth * has[i];
}

/* How much of a short text was asked for, 0 to 1; has: of each concept. */
static float part_of(const struct asked *a, const char *p, size_t len, float has[CONCEPTS])
{
	const char *end = p + len;
	char word[LETTERS];
	float sum = 0;
	int words = 0;
	size_t n;

	look(a, p, len, 1, has);
	for (int i = 0; i < a->n; i++)
		sum += has[i];
	while (sum > 0 && (n = next(&p, end, word)))
		words += n > 2 && !synonym_is_filler(word, n);
	return sum < (float)words ? sum / (float)words : sum > 0;
}

static void look_at_title(const struct asked *a, struct found *f, const char *p, size_t len, float worth)
{
	float has[CONCEPTS] = { 0 };

	f->title = part_of(a, p, len, has);
	for (int i = 0; i < a->n; i++)
		f->weight[i] += worth * has[i];
}

/* What a path ends with is a name, too: /auth/reset-password. */
static float part_of_name(const struct asked *a, const char *path)
{
	float has[CONCEPTS] = { 0 };
	const char *name = path;

	for (const char *p = path; *p; p++)
		if (*p == '/' && p[1] != '{' && p[1])
			name = p + 1;
	return part_of(a, name, strcspn(name, "/"), has);
}

static void look_at_fields(const struct asked *a, struct found *f, const struct field *table)
{
	for (; table && table->type != F_END; table++)
		look_at(a, f, table->name, in_field);
}

static void look_at_route(const struct asked *a, struct found *f, const struct route *r)
{
	float has[CONCEPTS] = { 0 };

	/* Both say the same. */
	look(a, r->path, strlen(r->path), 1, has);
	look(a, strchr(r->id, '.'), strlen(strchr(r->id, '.')), 1, has);
	for (int i = 0; i < a->n; i++) {
		f->weight[i] += in_path * has[i];
		if (a->synonym[i] && a->synonym[i]->methods & SYNONYM_DOES(r->method))
			f->weight[i] += in_method;
	}
	look_at_title(a, f, r->summary, strlen(r->summary), in_title);
	f->title = (f->title + part_of_name(a, r->path)) / 2;
	look_at(a, f, r->about, in_about);
	look_at_fields(a, f, r->query);
	look_at_fields(a, f, r->body);
	for (const char *p = r->path; *p; p++)
		f->path_parts += *p == '/';
}

/* A page's next section: from its heading to the next one. */
static const char *section(const char *p, struct find_hit *h)
{
	const char *end = strstr(p + 1, "\n## "), *line = strchr(p, '\n');

	end = end ? end + 1 : p + strlen(p);
	line = line && line < end ? line : end;
	h->heading = p + strspn(p, "# ");
	h->heading_len = (size_t)(line - h->heading);
	h->text = line;
	h->text_len = (size_t)(end - line);
	return *end ? end : NULL;
}

static void look_at_section(const struct asked *a, struct found *f, const struct find_hit *h)
{
	float has[CONCEPTS] = { 0 };

	look_at(a, f, h->page->title, in_page);
	look_at_title(a, f, h->heading, h->heading_len, in_heading);
	look(a, h->text, h->text_len, TEXT_MOST, has);
	/* A long text has more words of every kind. */
	for (int i = 0; i < a->n; i++)
		f->weight[i] += in_text * has[i] * TEXT_USUAL / (TEXT_USUAL + (float)h->text_len);
}

/* Call fn for all there is to find. */
static void each(const struct asked *a, void (*fn)(void *to, const struct find_hit *h, const struct found *f),
		 void *to)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++) {
		struct find_hit h = { .route = r };
		struct found f = { { 0 }, 0, 0 };

		if (r->flags & LINK)
			continue;
		look_at_route(a, &f, r);
		fn(to, &h, &f);
	}
	for (const struct guide_page *page = guide_pages; page->name; page++) {
		for (const char *p = page->text; p;) {
			struct find_hit h = { .page = page };
			struct found f = { { 0 }, 0, 0 };

			p = section(p, &h);
			look_at_section(a, &f, &h);
			fn(to, &h, &f);
		}
	}
}

struct seen {
	const struct asked *asked;
	int all, with[CONCEPTS]; /* how many entries there are, and how many have a concept */
	struct find_hit *hits;
	int n;
};

static void count(void *to, const struct find_hit *h, const struct found *f)
{
	struct seen *s = to;

	(void)h;
	s->all++;
	for (int i = 0; i < s->asked->n; i++)
		s->with[i] += f->weight[i] > 0;
}

/* Is it of what a product's own users call, and neither its team nor who operates or watches it? */
static bool is_for_users(const struct route *r)
{
	const struct surface *s = surface_of(r->id);

	return !r->caller->is_team && (!r->caller->least_role || !strcmp(r->caller->least_role, "user")) &&
	       s != surface_find("operations") && s != surface_find("observability");
}

/*
 * What few have is worth more; who has more of what is asked for comes first, then whose title says little
 * else, and what does not lie so deep.
 */
static double score_of(const struct seen *s, const struct find_hit *h, const struct found *f)
{
	double score = 0, had = 0, all = 0;

	for (int i = 0; i < s->asked->n; i++) {
		double rarity = log(1 + (double)s->all / (s->with[i] ? s->with[i] : 1));

		all += rarity;
		if (f->weight[i] <= 0)
			continue;
		had += rarity;
		score += (double)f->weight[i] * rarity;
	}
	if (had <= 0)
		return 0;
	score *= had / all * (0.6 + 0.8 * (double)f->title);
	if (!h->route)
		return of_guide * score;
	/* Who names only a thing wants to see it. */
	if (!s->asked->methods && h->route->method == GET)
		score *= of_reading;
	if (is_for_users(h->route))
		score *= of_users;
	return score / (1 + of_depth * f->path_parts);
}

static void keep(void *to, const struct find_hit *h, const struct found *f)
{
	struct seen *s = to;
	double score = score_of(s, h, f);
	int i = s->n;

	if (score <= 0 || (i == FIND_MOST && score <= s->hits[i - 1].score))
		return;
	if (i == FIND_MOST)
		i--;
	else
		s->n++;
	for (; i > 0 && s->hits[i - 1].score < score; i--)
		s->hits[i] = s->hits[i - 1];
	s->hits[i] = *h;
	s->hits[i].score = score;
}

int find_words(const char *query, struct find_hit hits[FIND_MOST])
{
	struct asked asked;
	struct seen seen = { .asked = &asked, .hits = hits };

	ask(&asked, query);
	each(&asked, count, &seen);
	each(&asked, keep, &seen);
	return seen.n;
}
