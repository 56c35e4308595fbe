// Notes in C, without a C library: a plain module, each export of which is an action with one argument, a
// text, as input. It keeps their number in the state and each note in an item of its own.
#include "../../../guest-sdk/bindings/c/vivarium.h"

// One turn runs at a time, and what it reads is used before it ends.
static char text[VIV_MAX_ARGS];
static char page[VIV_MAX_LIST_BYTES + 4096];
static char line[64];

static viv_bytes input(void) { return VIV_BYTES(text, viv_input_read(text, sizeof text)); }

static void copy(char *to, const void *from, size_t n) { __builtin_memcpy(to, from, n); }

// decimal writes n with at least so many digits at the end of line and returns it.
static viv_bytes decimal(int64_t n, size_t digits) {
  char *end = line + sizeof line, *p = end;
  while (n > 0 || (size_t)(end - p) < digits) {
    *--p = (char)('0' + n % 10);
    n /= 10;
  }
  return VIV_BYTES(p, (size_t)(end - p));
}

static int64_t count_notes(void) {
  char state[20];
  int64_t len = viv_state_get(), n = 0;
  if (len < 0) return 0;
  len = viv_result_read(state, sizeof state);
  for (int64_t i = 0; i < len; i++) n = n * 10 + (state[i] - '0');
  return n;
}

// explain puts the code and the message of a failure into page and returns them.
static viv_bytes explain(int64_t returned) {
  viv_bytes code = decimal(viv_failed(returned), 1);
  copy(page, code.ptr, code.len);
  page[code.len] = ' ';
  return VIV_BYTES(page, code.len + 1 + viv_result_read(page + code.len + 1, 1024));
}

static int32_t refused(int64_t returned) { return viv_plain_error(explain(returned)); }

// add_note keeps a note and tells who listens. It returns the number of notes, or a failure.
static int64_t add_note(viv_bytes note) {
  char key[16] = "note/", event[24] = "[";
  int64_t n = count_notes() + 1, returned;
  viv_bytes number = decimal(n, 6);
  copy(key + 5, number.ptr, number.len);
  if ((returned = viv_kv_put(VIV_BYTES(key, 5 + number.len), note)) < 0) return returned;
  number = decimal(n, 1);
  if ((returned = viv_state_set(number)) < 0) return returned;
  copy(event + 1, number.ptr, number.len);
  event[1 + number.len] = ']';
  if ((returned = viv_broadcast(VIV_STR("added"), VIV_BYTES(event, number.len + 2))) < 0) return returned;
  return n;
}

// add keeps a note and gives the number of notes.
VIV_EXPORT(add) {
  int64_t n = add_note(input());
  if (n < 0) return refused(n);
  viv_plain_output(decimal(n, 1));
  return 0;
}

// count gives the number of notes.
VIV_EXPORT(count) {
  viv_plain_output(decimal(count_notes(), 1));
  return 0;
}

// list gives all notes, a line each.
VIV_EXPORT(list) {
  int64_t len = viv_kv_list(VIV_STR("note/"), VIV_STR(""), VIV_STR(""), 0, VIV_LIST_PREFIX);
  if (len < 0) return refused(len);
  viv_bytes items = VIV_BYTES(page, viv_result_read(page, sizeof page));
  size_t at = 0, out = 0;
  viv_item item;
  while (viv_page_next(items, &at, &item)) {
    if (out > 0) text[out++] = '\n';
    if (out + item.value.len + 1 > sizeof text) return viv_plain_error(VIV_STR("the notes are too long for one list"));
    copy(text + out, item.value.ptr, item.value.len);
    out += item.value.len;
  }
  viv_plain_output(VIV_BYTES(text, out));
  return 0;
}

// forget deletes all notes and gives their number.
VIV_EXPORT(forget) {
  int64_t n = viv_kv_delete_range(VIV_STR("note/"), VIV_STR(""), 0, VIV_LIST_PREFIX);
  if (n < 0) return refused(n);
  viv_state_set(VIV_STR("0"));
  viv_plain_output(decimal(n, 1));
  return 0;
}

// refuse adds a note, and then does not want it: nothing of it stays.
VIV_EXPORT(refuse) {
  viv_bytes note = input();
  add_note(note);
  copy(page, "refused: ", 9);
  size_t len = note.len < 1024 ? note.len : 1024;
  copy(page + 9, note.ptr, len);
  return viv_plain_error(VIV_BYTES(page, 9 + len));
}

// toolong shows what an operation says that failed: its code and its message.
VIV_EXPORT(toolong) {
  viv_plain_output(explain(viv_kv_put(VIV_BYTES(page, VIV_MAX_KV_KEY + 1), input())));
  return 0;
}

// remind adds a note a moment later, in a turn of its own, and gives the schedule's id.
VIV_EXPORT(remind) {
  viv_bytes note = input();
  size_t len = note.len < sizeof page - 4 ? note.len : sizeof page - 4;
  copy(page, "[\"", 2);
  copy(page + 2, note.ptr, len);
  copy(page + 2 + len, "\"]", 2);
  int64_t n = viv_schedule_set(VIV_STR("{\"action\":\"add\",\"after\":20}"), VIV_BYTES(page, len + 4));
  if (n < 0) return refused(n);
  viv_plain_output(VIV_BYTES(page, viv_result_read(page, sizeof page)));
  return 0;
}
