//! What an Extism host gives a plug-in, as far as this example uses it, written by hand: crates are not
//! needed. A handle is the place of a block in memory that is the host's, not the plug-in's; 0 is no block.

type Handle = u64;

mod host {
    use super::Handle;

    #[link(wasm_import_module = "extism:host/env")]
    extern "C" {
        pub fn alloc(n: u64) -> Handle;
        pub fn length(h: Handle) -> u64;
        pub fn load_u8(at: u64) -> u8;
        pub fn load_u64(at: u64) -> u64;
        pub fn store_u8(at: u64, v: u8);
        pub fn store_u64(at: u64, v: u64);
        pub fn input_length() -> u64;
        pub fn input_load_u8(at: u64) -> u8;
        pub fn input_load_u64(at: u64) -> u64;
        pub fn output_set(h: Handle, n: u64);
        pub fn error_set(h: Handle);
        pub fn config_get(key: Handle) -> Handle;
        pub fn var_get(key: Handle) -> Handle;
        pub fn var_set(key: Handle, value: Handle);
        pub fn log_debug(h: Handle);
        pub fn log_info(h: Handle);
        pub fn log_warn(h: Handle);
        pub fn log_error(h: Handle);
    }
}

/// Levels of the log.
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The bytes that the action was called with.
pub fn input() -> Vec<u8> {
    let n = unsafe { host::input_length() };
    read(n, |i| unsafe { host::input_load_u64(i) }, |i| unsafe { host::input_load_u8(i) })
}

/// Sets the answer.
pub fn output(b: &[u8]) {
    unsafe { host::output_set(give(b), b.len() as u64) }
}

/// Sets the text of an error. The action must then return another number than 0.
pub fn error(text: &str) {
    unsafe { host::error_set(give(text.as_bytes())) }
}

/// A setting of the module.
pub fn config(name: &[u8]) -> Option<Vec<u8>> {
    take(unsafe { host::config_get(give(name)) })
}

/// A var: a value that the host keeps.
pub fn var(name: &str) -> Option<Vec<u8>> {
    take(unsafe { host::var_get(give(name.as_bytes())) })
}

pub fn set_var(name: &str, value: &[u8]) {
    unsafe { host::var_set(give(name.as_bytes()), give(value)) }
}

pub fn log(level: Level, line: &[u8]) {
    let h = give(line);
    unsafe {
        match level {
            Level::Debug => host::log_debug(h),
            Level::Info => host::log_info(h),
            Level::Warn => host::log_warn(h),
            Level::Error => host::log_error(h),
        }
    }
}

/// Copies bytes to the host, eight at a time.
fn give(b: &[u8]) -> Handle {
    unsafe {
        let h = host::alloc(b.len() as u64);
        let words = b.chunks_exact(8);
        let tail = (h + (b.len() - words.remainder().len()) as u64..).zip(words.remainder());
        for (at, word) in (h..).step_by(8).zip(words.clone()) {
            host::store_u64(at, u64::from_le_bytes(word.try_into().unwrap()));
        }
        for (at, byte) in tail {
            host::store_u8(at, *byte);
        }
        h
    }
}

/// Copies a block of the host, if there is one.
fn take(h: Handle) -> Option<Vec<u8>> {
    if h == 0 {
        return None;
    }
    let n = unsafe { host::length(h) };
    Some(read(n, |i| unsafe { host::load_u64(h + i) }, |i| unsafe { host::load_u8(h + i) }))
}

/// Reads n bytes by functions that give eight of them, or one.
fn read(n: u64, word: impl Fn(u64) -> u64, byte: impl Fn(u64) -> u8) -> Vec<u8> {
    let mut b = Vec::with_capacity(n as usize);
    for i in (0..n / 8 * 8).step_by(8) {
        b.extend_from_slice(&word(i).to_le_bytes());
    }
    b.extend((n / 8 * 8..n).map(byte));
    b
}
