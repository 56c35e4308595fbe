package bindings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// rustWords are names that no function or parameter may have.
var rustWords = []string{"self", "move", "type", "ref", "match", "loop", "use", "mod", "async", "await", "dyn", "box", "in"}

func rustName(name string) string {
	if slices.Contains(rustWords, name) {
		return name + "_"
	}
	return name
}

// writeRust returns a module that needs nothing but the standard library.
func writeRust(numbers []number) string {
	var b strings.Builder
	b.WriteString(commented("//! ", header))
	b.WriteString("#![allow(dead_code)]\n")
	for _, n := range numbers {
		fmt.Fprintf(&b, "\n%spub const %s: i64 = %d;\n", docLine("/// ", n.doc), n.name, n.value)
	}
	b.WriteString(rustBasis)
	fmt.Fprintf(&b, "\nmod raw {\n    #[link(wasm_import_module = %q)]\n    extern \"C\" {\n", abi.ModuleVivarium)
	b.WriteString("        pub fn input_len() -> usize;\n        pub fn input_read(ptr: *mut u8, cap: usize) -> usize;\n" +
		"        pub fn output(ptr: *const u8, len: usize);\n        pub fn result_len() -> usize;\n        pub fn result_read(ptr: *mut u8, cap: usize) -> usize;\n")
	for _, op := range hostfuncs.Operations() {
		params := each(&op, func(p hostfuncs.Param) string {
			if p.Kind == hostfuncs.Bytes {
				return rustName(p.Name) + ": *const u8, " + p.Name + "_len: usize"
			}
			return rustName(p.Name) + ": i64"
		})
		fmt.Fprintf(&b, "        #[link_name = %q]\n        pub fn %s(%s) -> i64;\n", op.Name, rustName(op.Name), params)
	}
	b.WriteString("    }\n}\n")
	for _, op := range hostfuncs.Operations() {
		b.WriteString(rustFunc(&op))
	}
	return b.String()
}

func rustFunc(op *hostfuncs.Operation) string {
	params := each(op, func(p hostfuncs.Param) string {
		if p.Kind == hostfuncs.Bytes {
			return rustName(p.Name) + ": &[u8]"
		}
		return rustName(p.Name) + ": i64"
	})
	args := each(op, func(p hostfuncs.Param) string {
		if p.Kind == hostfuncs.Bytes {
			return rustName(p.Name) + ".as_ptr(), " + rustName(p.Name) + ".len()"
		}
		return rustName(p.Name)
	})
	returns, convert := "()", "done"
	switch op.Result {
	case hostfuncs.NumberResult:
		returns, convert = "i64", "number"
	case hostfuncs.BytesResult:
		returns, convert = "Option<Vec<u8>>", "bytes"
	}
	return fmt.Sprintf("\n%spub fn %s(%s) -> Result<%s, Failure> {\n    %s(unsafe { raw::%s(%s) })\n}\n",
		commented("/// ", doc(op)), rustName(op.Name), params, returns, convert, rustName(op.Name), args)
}

// docLine is a comment of a constant, empty for none.
func docLine(prefix, doc string) string {
	if doc == "" {
		return ""
	}
	return commented(prefix, doc)
}

const rustBasis = `
/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: i64,
    pub message: String,
}

/// The turn's input.
pub fn input() -> Vec<u8> {
    read(unsafe { raw::input_len() }, raw::input_read)
}

/// Sets the output of actor_manifest and actor_turn.
pub fn output(bytes: &[u8]) {
    unsafe { raw::output(bytes.as_ptr(), bytes.len()) }
}

fn read(len: usize, copy: unsafe extern "C" fn(*mut u8, usize) -> usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    let n = unsafe { copy(buf.as_mut_ptr(), len) };
    buf.truncate(n);
    buf
}

fn number(returned: i64) -> Result<i64, Failure> {
    if returned >= ABSENT {
        return Ok(returned);
    }
    let message = read(unsafe { raw::result_len() }, raw::result_read);
    Err(Failure { code: -returned, message: String::from_utf8_lossy(&message).into_owned() })
}

fn done(returned: i64) -> Result<(), Failure> {
    number(returned).map(|_| ())
}

fn bytes(returned: i64) -> Result<Option<Vec<u8>>, Failure> {
    match number(returned)? {
        ABSENT => Ok(None),
        len => Ok(Some(read(len as usize, raw::result_read))),
    }
}

/// An item of a page, which kv_list and kv_get_batch give.
pub struct Item<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
}

/// The items of a page, and whether the range has others behind them. The cursor of the next page is the
/// last key of this one.
pub fn page(page: &[u8]) -> (Vec<Item<'_>>, bool) {
    let mut items = Vec::new();
    let mut rest = page.get(1..).unwrap_or(&[]);
    while !rest.is_empty() {
        let key = part(&mut rest);
        let value = part(&mut rest);
        items.push(Item { key, value });
    }
    (items, page.first() == Some(&1))
}

fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, tail) = rest.split_at(4);
    let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
    let (part, tail) = tail.split_at(len);
    *rest = tail;
    part
}

mod extism {
    #[link(wasm_import_module = "extism:host/env")]
    extern "C" {
        pub fn alloc(len: u64) -> u64;
        pub fn store_u8(at: u64, byte: u32);
        pub fn store_u64(at: u64, word: u64);
        pub fn output_set(at: u64, len: u64);
        pub fn error_set(at: u64);
    }
}

fn share(bytes: &[u8]) -> u64 {
    let at = unsafe { extism::alloc(bytes.len() as u64) };
    let words = bytes.chunks_exact(8);
    let (rest, tail) = (words.remainder(), at + (bytes.len() as u64 & !7));
    for (i, w) in words.enumerate() {
        let word = u64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]);
        unsafe { extism::store_u64(at + 8 * i as u64, word) };
    }
    for (i, byte) in rest.iter().enumerate() {
        unsafe { extism::store_u8(tail + i as u64, u32::from(*byte)) };
    }
    at
}

/// Sets the result of an action of a plain module.
pub fn plain_output(bytes: &[u8]) {
    unsafe { extism::output_set(share(bytes), bytes.len() as u64) }
}

/// Refuses: the client gets the text, and the turn leaves nothing. Return what it returns.
pub fn plain_error(text: &str) -> i32 {
    unsafe { extism::error_set(share(text.as_bytes())) };
    1
}
`
