#include "lib/base/filename.h"

#include "t/unit/tap.h"

static struct arena arena;

static void cleaned(const char *sent, const char *name)
{
	is_str(filename_clean(&arena, sent), name, "%s", sent);
}

static void disposed(const char *name, const char *value)
{
	is_str(filename_disposition(&arena, true, name), value, "%s", name);
}

int main(void)
{
	char longest[1200] = "";

	arena_init(&arena, 4096);
	cleaned("a.png", "a.png");
	cleaned("/etc/passwd", "passwd");
	cleaned("..\\..\\boot.ini", "boot.ini");
	cleaned("dir/", "file");
	cleaned(".", "file");
	cleaned(" . ", "file");
	cleaned(".profile", ".profile");
	cleaned("a. .", "a");
	cleaned("a\tb\x7f\xc2\x85.txt", "ab.txt");
	cleaned("exe\xe2\x80\xaegpj.exe", "exegpj.exe");
	cleaned("\xe2\x80\x8e\xe2\x81\xa6x\xef\xbb\xbf", "x");
	cleaned("a:b*c?d\"e<f>g|h", "a_b_c_d_e_f_g_h");
	cleaned("con", "_con");
	cleaned("NUL .tar.gz", "_NUL .tar.gz");
	cleaned("Com7.txt", "_Com7.txt");
	cleaned("com", "com");
	cleaned("com10", "com10");
	cleaned("console", "console");
	cleaned("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80.jpg",
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80.jpg");

	memset(longest, 'x', 260);
	is_int((long long)strlen(filename_clean(&arena, longest)), FILENAME_MAX_CHARACTERS,
	       "a long one is cut");
	memcpy(longest + 256, ".png", 5);
	is_int((long long)strlen(filename_clean(&arena, longest)), FILENAME_MAX_CHARACTERS,
	       "in front of its ending");
	is_str(filename_clean(&arena, longest) + FILENAME_MAX_CHARACTERS - 5, "x.png", "which stays");

	disposed("a b.png", "attachment; filename=\"a b.png\"");
	disposed("caf\xc3\xa9.txt", "attachment; filename=\"caf_.txt\"; filename*=UTF-8''caf%C3%A9.txt");
	disposed("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt");
	disposed("a;b=c'd.txt", "attachment; filename=\"a;b=c'd.txt\"");
	is_str(filename_disposition(&arena, false, "x"), "inline; filename=\"x\"", "shown");
	arena_release(&arena);
	return done_testing();
}
