# Ashlar.  `make help` lists the targets.
#
#   make SAN=1 …    builds with AddressSanitizer and UBSan under build/asan
#   make COV=1 …    builds with gcov's counters under build/cov
#   make FUZZ=1 …   builds with clang for libFuzzer under build/fuzz
#   make V=1 …      shows the whole command lines

CC       = $(if $(FUZZ),clang,gcc)
BUILD    = build$(if $(SAN),/asan)$(if $(COV),/cov)$(if $(FUZZ),/fuzz)
PACKAGES = libpq json-c libjwt openssl libcurl libcbor libwebsockets icu-uc libseccomp gumbo libarchive libxml-2.0 zlib xlsxwriter expat libsystemd
SANITIZE = $(if $(FUZZ),fuzzer-no-link$(,))address,undefined
# _FORTIFY_SOURCE and the sanitizers do not mix; each build has one of them.
HARDEN   = $(if $(SAN)$(FUZZ),-O1 -fsanitize=$(SANITIZE) -fno-sanitize-recover=all,$(if $(COV),-O0 --coverage,\
             -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE))
# gcc's warnings are errors; clang, which only fuzzing takes, has others.
CFLAGS   = -std=gnu11 -g $(HARDEN) -fno-omit-frame-pointer -fvisibility=hidden -Wall -Wextra -Wshadow -Wstrict-prototypes \
           -Wmissing-prototypes -Wpointer-arith -Wformat=2 -Wvla -Wundef $(if $(FUZZ),,-Werror) \
           -Wno-missing-field-initializers # tables name what they set; the rest is zero
CPPFLAGS = -D_GNU_SOURCE -I. -include lib/base/banned.h $(shell pkg-config --cflags $(PACKAGES)) -MMD -MP
LDFLAGS  = $(if $(SAN)$(FUZZ),-fsanitize=$(SANITIZE),$(if $(COV),--coverage) -pie -Wl$(,)-z$(,)relro$(,)-z$(,)now)
LDLIBS   = $(shell pkg-config --libs $(PACKAGES)) -lfcgi -lcsv -lcrypto -lcrypt -lresolv -lev -lm
,       := ,

QUERIES  = $(patsubst sql/queries/%.sql,build/sql/%,$(wildcard sql/queries/*/*.sql))
SRC      = $(wildcard lib/*/*.c fcgi/*.c fcgi/*/*.c providers/*.c handlers/*.c handlers/*/*.c worker/*.c realtime/*.c host/*.c) $(QUERIES:=.c) $(CLICKHOUSE:=.c) build/routes.c build/demo.c build/passwords.c build/mail_domains.c build/mail_templates.c build/ai_templates.c \
           build/mcp_texts.c build/guide.c build/build_info.c
CLICKHOUSE = $(patsubst sql/%.sql,build/%,$(wildcard sql/clickhouse/*.sql))
OBJ      = $(SRC:%.c=$(BUILD)/obj/%.o)
CMD_OBJ  = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard cmd/*.c) build/embedded.c)
SQL_DIRS = sql/setup sql/migrations sql/functions sql/search sql/sample sql/scale
UNIT     = $(patsubst t/unit/%.c,$(BUILD)/t/%,$(wildcard t/unit/*.c))
FUZZERS  = $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/*.c))
SECONDS ?= 10

# $(call run,CC x.c) in front of a command: print that in its place; make -s prints nothing.
run = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '%-7s %s\n' $(1);)

all: $(BUILD)/ashlar ## build build/ashlar

$(BUILD)/ashlar: $(OBJ) $(CMD_OBJ)
	$(call run,LINK $@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/handlers/%.o: CPPFLAGS += -DASHLAR_HANDLER
$(BUILD)/obj/%.o: %.c | $(QUERIES:=.h) $(CLICKHOUSE:=.h)
	@mkdir -p $(@D)
	$(call run,CC $<)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

build/sql/%.c: sql/queries/%.sql tools/queries
	@mkdir -p $(@D)
	$(call run,SQL $<)tools/queries $< $(@:.c=)

# Written with it, if it differs.
build/sql/%.h: build/sql/%.c ;
.SECONDARY: $(QUERIES:=.c) $(QUERIES:=.h)

build/clickhouse/%.c: sql/clickhouse/%.sql tools/clickhouse
	@mkdir -p $(@D)
	$(call run,SQL $<)tools/clickhouse $< $(@:.c=)

build/clickhouse/%.h: build/clickhouse/%.c ;
.SECONDARY: $(CLICKHOUSE:=.c) $(CLICKHOUSE:=.h)

HANDLERS = $(sort $(wildcard handlers/*/*.c))

build/routes.c: tools/routes $(HANDLERS) $(sort $(dir $(HANDLERS)))
	@mkdir -p build
	$(call run,LIST $@)tools/routes $(HANDLERS) >$@

build/passwords.c: tools/passwords
	@mkdir -p build
	$(call run,PERL $@)tools/passwords >$@

build/mail_domains.c: tools/mail_domains $(addprefix tools/mail-domains/,package.json package-lock.json .npmrc)
	@mkdir -p build
	$(call run,PERL $@)tools/mail_domains $@

# Looked at each time, and written where it differs.
build/build_info.c: tools/build_info FORCE
	@mkdir -p build
	@tools/build_info $@

FORCE: ;

# An archive, so that a test may bring its own route_tables or queries: the
# linker takes from it only what is still missing.
$(BUILD)/libashlar.a: $(OBJ)
	@rm -f $@
	$(call run,AR $@)$(AR) rcs $@ $^

# The directories too: a file that is removed changes only them.
build/embedded.c: tools/embed $(SQL_DIRS) $(wildcard $(SQL_DIRS:%=%/*.sql) sql/functions/*/*.sql sql/sample/*/*.sql) $(wildcard sql/functions/* sql/sample/*)
	@mkdir -p build
	$(call run,SQL $@)tools/embed cmd/cmd.h cmd_file $(foreach d,$(SQL_DIRS),sql_$(notdir $d)=$d) >$@

build/demo.c: tools/demo sql/sample $(wildcard sql/sample/*.sql sql/sample/*/*.sql sql/sample/*)
	@mkdir -p build
	$(call run,SQL $@)tools/demo $(sort $(wildcard sql/sample/*.sql sql/sample/*/*.sql)) >$@

build/mail_templates.c: tools/embed templates/mail $(wildcard templates/mail/* templates/mail/*/*)
	@mkdir -p build
	$(call run,MAIL $@)tools/embed worker/mail_render.h mail_file mail_templates=templates/mail >$@

build/ai_templates.c: tools/embed $(wildcard templates/ai templates/ai/* templates/prompts templates/prompts/*)
	@mkdir -p build
	$(call run,AI $@)tools/embed providers/ai_model.h ai_file ai_files=templates/ai ai_prompts=templates/prompts >$@

build/mcp_texts.c: tools/embed $(wildcard templates/mcp templates/mcp/*)
	@mkdir -p build
	$(call run,MCP $@)tools/embed fcgi/reference/tell.h tell_file tell_files=templates/mcp >$@

build/guide.c: tools/guide $(wildcard docs/lib/*.pm docs/pages docs/pages/*.html) docs/navigation.txt docs/errors.txt lib/base/err.def lib/host/config.def handlers/events.c CHANGELOG.md
	@mkdir -p build
	$(call run,GUIDE $@)tools/guide >$@

$(BUILD)/t/%: t/unit/%.c $(BUILD)/libashlar.a
	@mkdir -p $(@D)
	$(call run,TEST $<)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(filter %.o,$^) $(BUILD)/libashlar.a $(LDLIBS)

# Commands are in no archive.
$(BUILD)/t/user_record: $(BUILD)/obj/cmd/user_record.o

# What is made of route tables, so that it counts its steps: t/unit/scale.c.
STEPS = $(patsubst %.c,$(BUILD)/steps/%.o,$(wildcard fcgi/route*.c fcgi/reference/openapi*.c fcgi/field*.c fcgi/reference/schema.c fcgi/reference/demo.c fcgi/list.c \
          fcgi/caller.c fcgi/surface.c fcgi/metrics.c lib/base/map.c lib/base/buf.c lib/base/jx.c lib/base/pattern.c))
$(BUILD)/steps/%.o: %.c | $(QUERIES:=.h) $(CLICKHOUSE:=.h)
	@mkdir -p $(@D)
	$(call run,CC $<)$(CC) $(CPPFLAGS) $(CFLAGS) -fsanitize-coverage=trace-pc -c -o $@ $<

$(BUILD)/t/scale: $(STEPS)

# What t/ops/realtime_order.t looks through, and t/ops/stripe.t asks with.
$(BUILD)/tailer $(BUILD)/stripe_asker: $(BUILD)/%: t/lib/%.c $(BUILD)/libashlar.a
	$(call run,TEST $<)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(BUILD)/libashlar.a $(LDLIBS)

# What Ashlar::Process preloads.
$(BUILD)/quick_scrypt.so: t/lib/quick_scrypt.c
	$(call run,TEST $<)$(CC) $(CPPFLAGS) $(CFLAGS) -fvisibility=default -fPIC -shared -MF $@.d -o $@ $< -ldl

unit: $(UNIT) $(BUILD)/tailer $(BUILD)/stripe_asker $(BUILD)/quick_scrypt.so

$(BUILD)/fuzz/%: t/fuzz/%.c $(BUILD)/libashlar.a
	@mkdir -p $(@D)
	$(call run,FUZZ $<)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -MF $@.d -o $@ $< $(BUILD)/libashlar.a $(LDLIBS)

fuzzers: $(FUZZERS)

sdk: $(BUILD)/ashlar ## build/sdk: the TypeScript SDK, packed, and bundled for browsers, which nginx serves at /sdk/
	@tools/sdk $< build/sdk

# Always made again: what npm could not fetch yesterday it may today.  It takes a quarter of a second.
docs: $(BUILD)/ashlar sdk build/console/index.html ## build/docs: guide, API reference and console, which nginx serves at /
	@tools/docs $< build/docs

build/console/index.html: tools/console $(wildcard console console/.npmrc console/* console/*/*)
	$(call run,BUNDLE $(@D))tools/console $(@D)

check: deps all unit docs ## all tests; T=t/api/work/projects.t runs one file, LOAD=1 beside two busy processes
	tools/check $(T)

check-asan: ## the same with AddressSanitizer and UBSan
	$(MAKE) SAN=1 all unit docs
	SAN=1 tools/check $(T)

check-chaos: deps all ## jobs, digests and sign-ups under 50 kills of workers and two of PostgreSQL, 5,000 filters, 10,000 pairs of geometries; "make check" has a short form
	CHAOS=long tools/check t/ops/chaos.t t/ops/digests.t t/ops/signups.t t/api/records/record_filter_oracle.t t/clients/space.t

check-billing: deps all ## 10,000 histories of subscriptions, each to end in the provider's state; "make check" has 1,000
	BILLING_HISTORIES=10000 tools/check t/ops/billing.t

check-upgrade: deps all docs ## the last release under load, replaced by this tree; "make check" has a short form
	UPGRADE=long tools/check t/ops/upgrade.t t/ops/upgrade_live.t

cover: ## how much of the C code the tests run, file by file; the lines are under build/cov/html
	$(MAKE) COV=1 all unit docs
	find build/cov -name '*.gcda' -delete
	COV=1 tools/check $(T)
	tools/cover

# Only definite leaks: what running threads and the loader hold looks possibly lost.  Freeing
# glibc's own memory at the end trips over the resolver of a thread that still runs.
VALGRIND = valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
           --errors-for-leak-kinds=definite --run-libc-freeres=no --suppressions=t/valgrind.supp
# A sandbox executes /proc/self/exe, which is valgrind there: its two are AddressSanitizer's alone.

check-valgrind: $(UNIT) ## the unit tests under valgrind
	prove --jobs 2 --exec '$(VALGRIND)' $(filter-out %/sandbox %/extract,$(UNIT))

fuzz: ## fuzz every parser for SECONDS=10 each; F="qs json" picks some
	tools/fuzz --seconds $(SECONDS) $(F)

bench: all ## Ashlar and its peers side by side; writes the figures in bench/*.md (BENCH_QUICK=1: a short look)
	bench/run
	bench/identity
	bench/traces
	bench/search
	bench/jobs
	bench/webhooks
	bench/usage
	bench/operations
	bench/spans
	bench/pools
	bench/realtime
	bench/files
	bench/imports
	bench/ai
	bench/statements
	bench/routes
	bench/release

deps: ## install what is missing of the Debian and npm packages
	@tools/deps

run: ## a whole Ashlar on https://localhost:8443 (PORT, HTTP_PORT, DATABASE_URL); Ctrl-C ends it
	@exec tools/run

stop: ## end the one that "make run" started in this tree
	@tools/run stop

clean-run: ## the same, and remove its data
	@tools/run clean

# Every object again under gcc's analyser, apart from the build; only what
# changed since is looked at again.  Leaks are LeakSanitizer's: to the analyser
# an arena is one.
lint: ## the analysers: gcc, cppcheck, shellcheck, perlcritic, formats
	$(MAKE) BUILD=build/analyze CC='gcc -fanalyzer -Wno-analyzer-malloc-leak' objects
	tools/lint

objects: $(OBJ) $(CMD_OBJ)

install: all docs ## lay everything out as a package would; DESTDIR=, PREFIX=/usr
	@tools/install

uninstall: ## remove what install put there; settings and data stay
	@tools/install uninstall

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

clean: ## remove build/
	rm -rf build

-include $(OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(STEPS:.o=.d) $(UNIT:%=%.d) $(FUZZERS:%=%.d)
.PHONY: FORCE all sdk docs deps run stop clean-run lint objects install uninstall unit fuzzers check check-asan check-chaos check-billing check-upgrade cover check-valgrind fuzz bench help clean
.DELETE_ON_ERROR:
