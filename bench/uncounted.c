/*
 * For bench/usage: stands in the place of usage_count_note(), by the linker's
 * --wrap, in two programs that are the same but for this: one with -DCOUNTS, which
 * goes on to it, and one that counts nothing.
 */
struct req;

void __wrap_usage_count_note(const struct req *rq);
void __real_usage_count_note(const struct req *rq);

void __wrap_usage_count_note(const struct req *rq)
{
#ifdef COUNTS
	__real_usage_count_note(rq);
#else
	(void)rq;
#endif
}
