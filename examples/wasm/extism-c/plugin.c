// A plain Extism module: it knows nothing of Vivarium. Each export is an action of its actor.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extism.h"

#define ACTION(name) __attribute__((export_name(#name))) int32_t name(void)

// bytes is a piece of the plug-in's own memory, with a zero behind it.
typedef struct {
	char *at;
	uint64_t n;
} bytes;

// LOAD fills bytes by functions of the host that give eight of them, or one.
#define LOAD(b, load_u64, load_u8, from)                             \
	do {                                                             \
		uint64_t i = 0;                                              \
		for (; i + 8 <= (b).n; i += 8)                               \
			memcpy((b).at + i, &(uint64_t){load_u64((from) + i)}, 8); \
		for (; i < (b).n; i++) (b).at[i] = load_u8((from) + i);      \
	} while (0)

static bytes make(uint64_t n) {
	bytes b = {malloc(n + 1), n};
	if (b.at == NULL) __builtin_trap();
	b.at[n] = 0;
	return b;
}

// input copies what the action was called with. The caller frees it, here and below.
static bytes input(void) {
	bytes b = make(extism_input_length());
	LOAD(b, extism_input_load_u64, extism_input_load_u8, 0);
	return b;
}

// take copies a block of the host.
static bytes take(handle h) {
	bytes b = make(extism_length(h));
	LOAD(b, extism_load_u64, extism_load_u8, h);
	return b;
}

// give copies bytes to the host.
static handle give(bytes b) {
	handle h = extism_alloc(b.n);
	uint64_t i = 0, word;
	for (; i + 8 <= b.n; i += 8) {
		memcpy(&word, b.at + i, 8);
		extism_store_u64(h + i, word);
	}
	for (; i < b.n; i++) extism_store_u8(h + i, b.at[i]);
	return h;
}

static handle give_text(const char *s) { return give((bytes){(char *)s, strlen(s)}); }

static handle give_input(void) {
	bytes b = input();
	handle h = give(b);
	free(b.at);
	return h;
}

// output_text answers with the text.
static int32_t output_text(const char *s) {
	extism_output_set(give_text(s), strlen(s));
	return 0;
}

// echo gives its input back, any bytes.
ACTION(echo) {
	extism_output_set(give_input(), extism_input_length());
	return 0;
}

// greet takes a name and gives a greeting.
ACTION(greet) {
	bytes name = input();
	char *greeting;
	if (asprintf(&greeting, "Hello, %s!", name.at) < 0) __builtin_trap();
	output_text(greeting);
	free(greeting);
	free(name.at);
	return 0;
}

// count counts its calls, in an Extism var, and gives the number.
ACTION(count) {
	bytes before = take(extism_var_get(give_text("count")));
	char after[24];
	snprintf(after, sizeof after, "%ld", strtol(before.at, NULL, 10) + 1);
	free(before.at);
	extism_var_set(give_text("count"), give_text(after));
	return output_text(after);
}

// conf gives the setting whose name is the input, and nothing if there is none.
ACTION(conf) {
	handle value = extism_config_get(give_input());
	if (value != 0) extism_output_set(value, extism_length(value));
	return 0;
}

// fail changes the var, and then refuses. What it changed does not stay.
ACTION(fail) {
	extism_var_set(give_text("count"), give_text("1000"));
	extism_error_set(give_text("refused: zu spät"));
	return 1;
}

// crash changes the var, and then traps.
ACTION(crash) {
	extism_var_set(give_text("count"), give_text("2000"));
	__builtin_trap();
}

// logs writes its input to the log, at four levels.
ACTION(logs) {
	handle line = give_input();
	extism_log_debug(line);
	extism_log_info(line);
	extism_log_warn(line);
	extism_log_error(line);
	return 0;
}
