//! A plain Extism module: it knows nothing of Vivarium. Each export is an action of its actor.

mod extism;

use extism::Level;

/// Gives its input back, any bytes.
#[no_mangle]
pub extern "C" fn echo() -> i32 {
    extism::output(&extism::input());
    0
}

/// Takes a name and gives a greeting.
#[no_mangle]
pub extern "C" fn greet() -> i32 {
    let name = extism::input();
    extism::output(format!("Hello, {}!", String::from_utf8_lossy(&name)).as_bytes());
    0
}

/// Counts its calls, in an Extism var, and gives the number.
#[no_mangle]
pub extern "C" fn count() -> i32 {
    let before = extism::var("count").unwrap_or_default();
    let n = String::from_utf8_lossy(&before).parse::<i64>().unwrap_or(0) + 1;
    let after = n.to_string();
    extism::set_var("count", after.as_bytes());
    extism::output(after.as_bytes());
    0
}

/// Gives the setting whose name is the input, and nothing if there is none.
#[no_mangle]
pub extern "C" fn conf() -> i32 {
    if let Some(value) = extism::config(&extism::input()) {
        extism::output(&value);
    }
    0
}

/// Changes the var, and then refuses. What it changed does not stay.
#[no_mangle]
pub extern "C" fn fail() -> i32 {
    extism::set_var("count", b"1000");
    extism::error("refused: zu spät");
    1
}

/// Changes the var, and then traps.
#[no_mangle]
pub extern "C" fn crash() -> i32 {
    extism::set_var("count", b"2000");
    std::process::abort()
}

/// Writes its input to the log, at four levels.
#[no_mangle]
pub extern "C" fn logs() -> i32 {
    let line = extism::input();
    for level in [Level::Debug, Level::Info, Level::Warn, Level::Error] {
        extism::log(level, &line);
    }
    0
}
