package bindings

import (
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// writeC returns a header that needs no C library.
func writeC(numbers []number) string {
	var b strings.Builder
	b.WriteString(commented("// ", header))
	b.WriteString("#ifndef VIVARIUM_H\n#define VIVARIUM_H\n\n#include <stddef.h>\n#include <stdint.h>\n")
	section(&b, "//", "Numbers.")
	for _, n := range numbers {
		fmt.Fprintf(&b, "#define VIV_%s INT64_C(%d)%s\n", n.name, n.value, trailing("//", n.doc))
	}
	b.WriteString(cBasis)
	section(&b, "//", "Operations.")
	for _, op := range hostfuncs.Operations() {
		params := each(&op, func(p hostfuncs.Param) string {
			if p.Kind == hostfuncs.Bytes {
				return "const void *" + p.Name + ", size_t " + p.Name + "_len"
			}
			return "int64_t " + p.Name
		})
		fmt.Fprintf(&b, "VIV_IMPORT(%q, %q) int64_t viv_raw_%s(%s);\n", abi.ModuleVivarium, op.Name, op.Name, orVoid(params))
	}
	for _, op := range hostfuncs.Operations() {
		b.WriteString("\n" + commented("// ", doc(&op)+" "+result(&op)))
		params := each(&op, func(p hostfuncs.Param) string {
			if p.Kind == hostfuncs.Bytes {
				return "viv_bytes " + p.Name
			}
			return "int64_t " + p.Name
		})
		args := each(&op, func(p hostfuncs.Param) string {
			if p.Kind == hostfuncs.Bytes {
				return p.Name + ".ptr, " + p.Name + ".len"
			}
			return p.Name
		})
		fmt.Fprintf(&b, "static inline int64_t viv_%s(%s) { return viv_raw_%s(%s); }\n", op.Name, orVoid(params), op.Name, args)
	}
	b.WriteString("\n#endif\n")
	return b.String()
}

func orVoid(params string) string {
	if params == "" {
		return "void"
	}
	return params
}

// trailing is a comment behind a line.
func trailing(mark, doc string) string {
	if doc == "" {
		return ""
	}
	return " " + mark + " " + doc
}

const cBasis = `
// VIV_EXPORT makes a function an action: VIV_EXPORT(add) { … return 0; }
#define VIV_EXPORT(name) __attribute__((export_name(#name))) int32_t name(void)

#define VIV_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

// Bytes that somebody else owns.
typedef struct {
  const void *ptr;
  size_t len;
} viv_bytes;

// VIV_STR is the bytes of a string literal, VIV_BYTES those at a place.
#define VIV_STR(literal) ((viv_bytes){(literal), sizeof(literal) - 1})
#define VIV_BYTES(ptr, len) ((viv_bytes){(ptr), (len)})

// viv_failed returns the code with which an operation failed, 0 if it did not.
static inline int64_t viv_failed(int64_t returned) { return returned < VIV_ABSENT ? -returned : 0; }

// The turn's input, and the result of the last operation or the message of its failure. The read functions
// copy at most cap bytes and return how many.
VIV_IMPORT("vivarium", "input_len") uint32_t viv_input_len(void);
VIV_IMPORT("vivarium", "input_read") uint32_t viv_input_read(void *buf, size_t cap);
VIV_IMPORT("vivarium", "result_len") uint32_t viv_result_len(void);
VIV_IMPORT("vivarium", "result_read") uint32_t viv_result_read(void *buf, size_t cap);

// viv_output sets the output of actor_manifest and actor_turn.
VIV_IMPORT("vivarium", "output") void viv_output(const void *ptr, size_t len);

VIV_IMPORT("extism:host/env", "alloc") uint64_t viv_extism_alloc(uint64_t len);
VIV_IMPORT("extism:host/env", "store_u8") void viv_extism_store_u8(uint64_t at, uint32_t byte);
VIV_IMPORT("extism:host/env", "store_u64") void viv_extism_store_u64(uint64_t at, uint64_t word);
VIV_IMPORT("extism:host/env", "output_set") void viv_extism_output_set(uint64_t at, uint64_t len);
VIV_IMPORT("extism:host/env", "error_set") void viv_extism_error_set(uint64_t at);

// viv_plain_share copies bytes into Extism's memory and returns where.
static inline uint64_t viv_plain_share(viv_bytes b) {
  const uint8_t *p = (const uint8_t *)b.ptr;
  uint64_t at = viv_extism_alloc(b.len);
  size_t i = 0;
  for (; i + 8 <= b.len; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, p + i, 8);
    viv_extism_store_u64(at + i, word);
  }
  for (; i < b.len; i++) viv_extism_store_u8(at + i, p[i]);
  return at;
}

// viv_plain_output sets the result of an action of a plain module.
static inline void viv_plain_output(viv_bytes b) { viv_extism_output_set(viv_plain_share(b), b.len); }

// viv_plain_error refuses: the client gets the text, and the turn leaves nothing. Return what it returns.
static inline int32_t viv_plain_error(viv_bytes text) {
  viv_extism_error_set(viv_plain_share(text));
  return 1;
}

// viv_item is an item of a page, which kv_list and kv_get_batch give.
typedef struct {
  viv_bytes key, value;
} viv_item;

static inline uint32_t viv_page_u32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// viv_page_more reports whether the range has items behind those of a page. The cursor of the next page is
// the last key of this one.
static inline int viv_page_more(viv_bytes page) { return page.len > 0 && *(const uint8_t *)page.ptr == 1; }

// viv_page_next gives the item at *at, which begins as 0, and moves *at behind it. It returns 0 at the end.
static inline int viv_page_next(viv_bytes page, size_t *at, viv_item *item) {
  const uint8_t *p = (const uint8_t *)page.ptr;
  size_t i = *at == 0 ? 1 : *at;
  if (i + 4 > page.len) return 0;
  item->key = VIV_BYTES(p + i + 4, viv_page_u32(p + i));
  i += 4 + item->key.len;
  item->value = VIV_BYTES(p + i + 4, viv_page_u32(p + i));
  *at = i + 4 + item->value.len;
  return 1;
}
`
