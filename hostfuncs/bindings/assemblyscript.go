package bindings

import (
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// writeAssemblyScript returns a module that needs nothing but AssemblyScript's own library. It goes by
// pointers too: by handles each call would copy everything once more, and the wrappers would be longer.
func writeAssemblyScript(numbers []number) string {
	var b strings.Builder
	b.WriteString(commented("// ", header))
	section(&b, "//", "Numbers.")
	for _, n := range numbers {
		fmt.Fprintf(&b, "export const %s: i64 = %d;%s\n", n.name, n.value, trailing("//", n.doc))
	}
	b.WriteString(assemblyScriptBasis)
	section(&b, "//", "Operations.")
	for _, op := range hostfuncs.Operations() {
		params := each(&op, func(p hostfuncs.Param) string {
			if p.Kind == hostfuncs.Bytes {
				return p.Name + ": usize, " + p.Name + "_len: i32"
			}
			return p.Name + ": i64"
		})
		fmt.Fprintf(&b, "@external(%q, %q)\ndeclare function raw_%s(%s): i64;\n", abi.ModuleVivarium, op.Name, op.Name, params)
	}
	for _, op := range hostfuncs.Operations() {
		b.WriteString(assemblyScriptFunc(&op))
	}
	return b.String()
}

func assemblyScriptFunc(op *hostfuncs.Operation) string {
	params := each(op, func(p hostfuncs.Param) string {
		if p.Kind == hostfuncs.Bytes {
			return p.Name + ": Uint8Array"
		}
		return p.Name + ": i64"
	})
	args := each(op, func(p hostfuncs.Param) string {
		if p.Kind == hostfuncs.Bytes {
			return p.Name + ".dataStart, " + p.Name + ".length"
		}
		return p.Name
	})
	returns, convert, what := "i64", "settle", result(op)
	if op.Result == hostfuncs.BytesResult {
		returns, convert, what = "Uint8Array | null", "fetch_result", "Returns null if there is none, or if it failed: see failed."
	}
	return fmt.Sprintf("\n%sexport function %s(%s): %s {\n  return %s(raw_%s(%s));\n}\n",
		commented("// ", doc(op)+" "+what), op.Name, params, returns, convert, op.Name, args)
}

const assemblyScriptBasis = `
@external("vivarium", "input_len")
declare function raw_input_len(): i32;
@external("vivarium", "input_read")
declare function raw_input_read(ptr: usize, cap: i32): i32;
@external("vivarium", "output")
declare function raw_output(ptr: usize, len: i32): void;
@external("vivarium", "result_len")
declare function raw_result_len(): i32;
@external("vivarium", "result_read")
declare function raw_result_read(ptr: usize, cap: i32): i32;

// failed returns the code with which the last operation failed, 0 if it did not.
export function failed(): i64 {
  return last;
}

let last: i64 = 0;

function settle(returned: i64): i64 {
  last = returned < ABSENT ? -returned : 0;
  return returned;
}

function fetch_result(returned: i64): Uint8Array | null {
  if (settle(returned) < 0) return null;
  const b = new Uint8Array(<i32>returned);
  raw_result_read(b.dataStart, b.length);
  return b;
}

// message returns the text of the failure of the last operation.
export function message(): string {
  const b = new Uint8Array(raw_result_len());
  raw_result_read(b.dataStart, b.length);
  return text(b);
}

// input returns the turn's input.
export function input(): Uint8Array {
  const b = new Uint8Array(raw_input_len());
  raw_input_read(b.dataStart, b.length);
  return b;
}

// output sets the output of actor_manifest and actor_turn.
export function output(b: Uint8Array): void {
  raw_output(b.dataStart, b.length);
}

// utf8 and text turn a string into bytes and back.
export function utf8(s: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(s));
}

export function text(b: Uint8Array): string {
  return String.UTF8.decodeUnsafe(b.dataStart, b.length);
}

// Item is an item of a page, which kv_list and kv_get_batch give.
export class Item {
  constructor(public key: Uint8Array, public value: Uint8Array) {}
}

// page_items returns the items of a page.
export function page_items(page: Uint8Array): Item[] {
  const items: Item[] = [];
  for (let at = 1; at < page.length; ) {
    const key = page_part(page, at);
    at += 4 + key.length;
    const value = page_part(page, at);
    at += 4 + value.length;
    items.push(new Item(key, value));
  }
  return items;
}

function page_part(page: Uint8Array, at: i32): Uint8Array {
  const len = load<i32>(page.dataStart + at);
  return page.slice(at + 4, at + 4 + len);
}

// page_more reports whether the range has items behind those of a page. The cursor of the next page is the
// last key of this one.
export function page_more(page: Uint8Array): bool {
  return page.length > 0 && page[0] == 1;
}

@external("extism:host/env", "alloc")
declare function extism_alloc(len: i64): i64;
@external("extism:host/env", "store_u8")
declare function extism_store_u8(at: i64, byte: i32): void;
@external("extism:host/env", "store_u64")
declare function extism_store_u64(at: i64, word: i64): void;
@external("extism:host/env", "output_set")
declare function extism_output_set(at: i64, len: i64): void;
@external("extism:host/env", "error_set")
declare function extism_error_set(at: i64): void;

function plain_share(b: Uint8Array): i64 {
  const at = extism_alloc(b.length);
  let i = 0;
  for (; i + 8 <= b.length; i += 8) extism_store_u64(at + i, load<i64>(b.dataStart + i));
  for (; i < b.length; i++) extism_store_u8(at + i, b[i]);
  return at;
}

// plain_output sets the result of an action of a plain module.
export function plain_output(b: Uint8Array): void {
  extism_output_set(plain_share(b), b.length);
}

// plain_error refuses: the client gets the text, and the turn leaves nothing. Return what it returns.
export function plain_error(why: string): i32 {
  extism_error_set(plain_share(utf8(why)));
  return 1;
}
`
